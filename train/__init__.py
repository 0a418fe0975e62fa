"""Training of the networks; needs PyTorch, which the rest of the package does not."""
