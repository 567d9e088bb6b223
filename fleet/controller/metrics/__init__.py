"""The fleet in the formats of Prometheus: which metrics there are, and how they are made of what is known."""
