"""Brokers behind kombu: topology, routing, producing, and the worker's link."""
