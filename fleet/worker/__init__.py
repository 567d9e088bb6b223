"""The worker: one broker connection, one consumer loop, one pool. Run as `python -m fleet.worker FILE`."""
