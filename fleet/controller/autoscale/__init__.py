"""The autoscaler: how many replicas a group should have, by its load."""
