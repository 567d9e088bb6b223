"""Alerts: what is wrong with the fleet by built-in rules, and telling somebody, once, when it begins and ends."""
