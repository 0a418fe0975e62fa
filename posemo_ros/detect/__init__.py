"""Finding people in the image and following them from frame to frame."""
