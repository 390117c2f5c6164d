"""Evaluation on inspect_ai: suites, the model provider, tasks, scorers, and what a log comes to."""
