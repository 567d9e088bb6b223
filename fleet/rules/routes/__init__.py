"""FLT2xx: routing rules."""
