"""Advice on pools and concurrency, from measurements: pure functions, for `fleet bench` and `fleet advise`."""
