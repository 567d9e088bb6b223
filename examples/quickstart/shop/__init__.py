"""The application of the quick start."""
