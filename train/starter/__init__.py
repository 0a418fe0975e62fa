"""Training, measurement and export of the starter models."""
