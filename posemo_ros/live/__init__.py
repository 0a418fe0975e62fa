"""What a camera sees, live in a browser: overlay, 3D skeletons, emotions."""
