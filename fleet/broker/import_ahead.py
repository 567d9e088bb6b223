"""The imports that a Link to some kind of broker will need when it is opened, and a Producer when it publishes first.

For a process that forks workers; and for a worker, whose files may be replaced while it runs (an upgrade in place):
what it imports later may be another version's, or gone.
"""

from __future__ import annotations

from importlib import import_module

# The libraries' own, too, that they load when they connect.
_CONNECTING = ("encodings.idna",)
_LEASED = ("fleet.broker.leased.consumer", "fleet.broker.open")
_OF = {
    "sqlite": (*_LEASED, "fleet.broker.sqlite.store"),
    "redis": (*_LEASED, "fleet.broker.redis", "secrets", *_CONNECTING),
    "amqp": ("fleet.broker.rabbitmq.consumer", "kombu.connection", "kombu.transport.pyamqp", *_CONNECTING),
}
_ANY = ("fleet.broker.link", "fleet.broker.open")


_PUBLISHING = {
    "sqlite": "fleet.broker.leased.publisher",
    "redis": "fleet.broker.leased.publisher",
    "amqp": "fleet.broker.rabbitmq.publisher",
}


def import_for(family: str, *, publishes: bool) -> None:
    """`family` as of `urls.scheme`. Raises ImportError when the client is not installed."""
    for module in (*_ANY, *_OF.get(family, ("fleet.broker.other_kombu.consumer",))):
        import_module(module)
    if publishes:
        import_module("fleet.broker.producer")
        import_module(_PUBLISHING.get(family, "fleet.broker.other_kombu.connection"))
