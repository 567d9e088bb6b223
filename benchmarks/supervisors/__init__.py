"""Who keeps workers running: fleet, and what people use instead. Run by `python -m benchmarks.supervision`."""
