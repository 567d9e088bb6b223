"""The tasks of examples/autoscale."""
