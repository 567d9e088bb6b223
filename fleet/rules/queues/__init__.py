"""FLT1xx: queues, and who consumes them."""
