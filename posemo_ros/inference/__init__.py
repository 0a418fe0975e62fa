"""Running networks: one session interface, the model manifest, the model store."""
