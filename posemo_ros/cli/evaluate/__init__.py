"""Measure accuracy on your own data."""
