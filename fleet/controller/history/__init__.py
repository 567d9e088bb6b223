"""The history of a fleet: statistics of all workers added up, kept on disk, read by ranges of time."""
