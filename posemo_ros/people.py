"""2D people of a stream of frames: detect, follow, track, keypoints.

The detector runs on every k-th frame, and on every frame while nobody is in view; in between,
a person's box follows from their last keypoints (../docs/performance.md shows what that saves).
"""
