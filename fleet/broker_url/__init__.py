"""Broker URLs as text: their parts, what is wrong with them, and how to show one. Standard library only."""
