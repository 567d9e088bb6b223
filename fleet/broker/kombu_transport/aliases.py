"""Make kombu know fleet's transports: `register()`, then any kombu.Connection or Celery app may use the URLs.

For users that is `import fleet.kombu`.
Without it the class can be named instead of a scheme, as the `transport` argument of kombu.Connection.
"""

from __future__ import annotations

ALIASES = {
    "sqlite": "fleet.broker.sqlite.kombu_transport:Transport",
    "fleet-redis": "fleet.broker.redis.kombu_transport:Transport",
    "fleet-rediss": "fleet.broker.redis.kombu_transport:Transport",
    "fleet-sentinel": "fleet.broker.redis.kombu_transport:SentinelTransport",
}


def register() -> None:
    """In this process, for every kombu.Connection that is made from now on. Again does no harm."""
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES.update(ALIASES)
