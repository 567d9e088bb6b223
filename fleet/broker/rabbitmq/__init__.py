"""AMQP as fleet wants it: the connection, its confirmed publisher, the queues it declares."""
