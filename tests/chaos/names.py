"""What queues are called in all runs."""

QUEUE = "chaos"
DEAD = f"{QUEUE}.dead"
