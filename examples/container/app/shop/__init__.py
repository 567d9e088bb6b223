"""The tasks of examples/container."""
