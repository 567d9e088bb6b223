"""Celery apps under fleet's worker, with an unmodified Celery client: every pool, every broker."""
