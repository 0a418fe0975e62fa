"""Data sets, what is made of them, and the order in which it is seen."""
