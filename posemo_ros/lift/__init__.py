"""From windows of 2D keypoints to 3D skeletons in the camera frame."""
