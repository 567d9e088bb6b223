"""FLT9xx: the broker's URL, its options, and the client that reads them."""
