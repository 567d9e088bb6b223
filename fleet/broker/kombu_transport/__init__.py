"""fleet's brokers as transports of kombu, for clients that are not fleet's."""
