"""FLT5xx: what a crash, a retry or a rollout does to messages."""
