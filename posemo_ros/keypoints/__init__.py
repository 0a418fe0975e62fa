"""2D keypoints of every person: crop, network, codec."""
