"""Thin ROS 2 lifecycle nodes around the core; the only place that imports rclpy."""

from .door import refuse_module

refuse_module(__name__)
