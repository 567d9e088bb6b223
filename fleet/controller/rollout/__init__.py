"""The rollout from what is observed to what is effective: the plan, pure."""
