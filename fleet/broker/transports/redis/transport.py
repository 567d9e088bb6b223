"""The old name of fleet's Redis transport for kombu, which programs may have written into `transport=`."""

from __future__ import annotations

from fleet.broker.redis.kombu_transport import SentinelTransport, Transport

__all__ = ["SentinelTransport", "Transport"]
