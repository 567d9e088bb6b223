"""Schedules as plain values: when they fire, what is due, what is remembered. No clock, no broker, no process."""
