"""fleet beside its peers: `python -m benchmarks` (see __main__). Peers live in a venv of their own."""
