"""FLT4xx: what all groups together ask of the machine."""
