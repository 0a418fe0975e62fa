"""What is learned: Lightning modules of the three networks, and how they are run."""
