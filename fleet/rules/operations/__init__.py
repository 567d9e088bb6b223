"""FLT7xx: rollouts, and running the fleet."""
