"""The embedded broker: LeasedStore on one SQLite file."""
