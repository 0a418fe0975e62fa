"""Training of the networks; needs PyTorch, which the rest of the package does not."""

from posemo_ros.telemetry import switch_off

from .models.vision_libraries import declare_operators

switch_off()
declare_operators()  # before Lightning, whose import stops at a torchvision that lacks them
