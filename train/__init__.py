"""A release becomes a model, and a model becomes numbers."""
