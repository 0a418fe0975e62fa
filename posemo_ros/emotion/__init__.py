"""From movement and context to the probabilities of six emotions."""
