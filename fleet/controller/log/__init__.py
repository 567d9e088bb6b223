"""The event log, and what it is written with."""
