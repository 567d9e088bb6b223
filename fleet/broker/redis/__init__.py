"""LeasedStore on Redis ≥ 6.2, in the keys and envelopes of kombu's own Redis transport."""

from __future__ import annotations

from fleet.broker.redis.store import RedisStore

__all__ = ["RedisStore"]
