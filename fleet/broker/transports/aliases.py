"""Make kombu know fleet's transports: `register()`, then any kombu.Connection or Celery app may use the URLs.

Without it the class can be named instead of a scheme, as the `transport` argument of kombu.Connection.
"""

from __future__ import annotations

ALIASES = {
    "sqlite": "fleet.broker.transports.sqlite:Transport",
    "fleet-redis": "fleet.broker.transports.redis.transport:Transport",
    "fleet-rediss": "fleet.broker.transports.redis.transport:Transport",
    "fleet-sentinel": "fleet.broker.transports.redis.transport:SentinelTransport",
}


def register() -> None:
    """In this process, for every kombu.Connection that is made from now on. Again does no harm."""
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES.update(ALIASES)
