"""Rendered people: the demo clip, pictures to train on."""
