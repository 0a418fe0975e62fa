"""Thin ROS 2 lifecycle nodes around the core; the only place that imports rclpy."""
