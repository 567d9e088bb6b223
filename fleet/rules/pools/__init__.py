"""FLT3xx: which pool for which tasks, and how many at once."""
