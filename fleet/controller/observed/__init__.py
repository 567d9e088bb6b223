"""The observed fleet: programs, reports, queues, and what is wrong with them."""
