"""Keypoints, 3D skeletons and emotions of the people in a camera image."""

__version__ = "0.1.0"
