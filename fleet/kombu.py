"""`import fleet.kombu` makes kombu, and so Celery, know `fleet-redis://`, `sqlite:///` and their relatives.

Import it where the Celery app or the first connection is made; nothing else has to be done.
See docs/how-to/celery-on-fleet-redis.md.
"""

from __future__ import annotations

from fleet.broker.kombu_transport.aliases import ALIASES, register

__all__ = ["ALIASES", "register"]

register()
