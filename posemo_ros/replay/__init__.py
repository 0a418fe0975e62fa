"""Off the robot: video, folder or bag in; bag, video and report out."""
