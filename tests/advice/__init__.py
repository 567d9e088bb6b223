"""Advice on pools and concurrency, judged by tasks whose right answer is known."""
