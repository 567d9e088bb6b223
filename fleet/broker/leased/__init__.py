"""Brokers with leases (Redis, SQLite) and what they share: the store's interface, consumer, publisher, dead letters."""
