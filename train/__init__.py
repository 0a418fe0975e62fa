"""Training of the networks; needs PyTorch, which the rest of the package does not."""

from .models.vision_libraries import declare_operators

declare_operators()  # before Lightning, whose import stops at a torchvision that lacks them
