"""What a Link to some kind of broker will import when it is opened: for a process that forks workers."""

from __future__ import annotations

from importlib import import_module

# The libraries' own, too, that they load when they connect.
_CONNECTING = ("encodings.idna",)
_LEASED = ("fleet.broker.lines.leased", "fleet.broker.stores")
_OF = {
    "sqlite": (*_LEASED, "fleet.broker.transports.sqlite_store"),
    "redis": (*_LEASED, "fleet.broker.transports.redis", "secrets", *_CONNECTING),
    "amqp": ("fleet.broker.lines.amqp", "kombu.connection", "kombu.transport.pyamqp", *_CONNECTING),
}
_ANY = ("fleet.broker.link", "fleet.broker.lines.choose")


def import_for(family: str) -> None:
    """`family` as of `urls.scheme`. Raises ImportError when the client is not installed."""
    for module in (*_ANY, *_OF.get(family, ("fleet.broker.lines.stock",))):
        import_module(module)
