"""Approved examples become a release."""
