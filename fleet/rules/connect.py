"""FLT705: the file against the broker, which `fleet validate --connect` asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fleet.config.model import Fleet
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import on_request

# Where the file says what the broker calls so; other x-… are under `arguments`.
_KEYS = {
    "durable": "durable",
    "x-max-priority": "max_priority",
    "x-message-ttl": "message_ttl",
    "exchange type": "exchange_type",
    "exchange durable": "durable",
}


class Objection(Protocol):
    """What the broker has against the fleet, or (`queue` None) its use as a whole."""

    @property
    def text(self) -> str: ...
    @property
    def help(self) -> str | None: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def argument(self) -> str | None: ...
    @property
    def refused(self) -> bool: ...


@on_request("FLT705", "broker-would-refuse", "error")
def broker_would_refuse(fleet: Fleet, objection: Objection) -> Iterator[Finding]:
    """The broker can't be reached, or would not take this fleet (`--connect`).

    Workers start only when they can connect and declare their queues. A queue that exists with other
    arguments can't be declared again: RabbitMQ refuses it, and the workers that consume it never get
    ready. Also found: wrong credentials, a missing vhost, an exchange of another type, too little room for
    the fleet's connections, quorum queues on a RabbitMQ that has none, a Redis that is too old, read-only
    or throws messages away when it is full, an embedded broker whose file this user can't write. Nothing
    is declared or changed on the broker. Only `fleet validate --connect` finds this.

    Bad, with a queue "images" of `max_priority = 5` on the broker:

        [queues.images]
        max_priority = 10

    Good:

        [queues.images]
        max_priority = 5
    """
    yield Finding(
        _path(fleet, objection),
        objection.text,
        help=objection.help
        or "this is what the broker said: check the URL, the user's permissions and the broker's log",
        severity="error" if objection.refused else "warning",
    )


def _path(fleet: Fleet, objection: Objection) -> KeyPath:
    if objection.queue is not None:
        queue: KeyPath = ("queues", objection.queue)
        argument = objection.argument or ""
        if argument in fleet.queues[objection.queue].arguments:
            return (*queue, "arguments", argument)
        return (*queue, _KEYS[argument]) if argument in _KEYS else queue
    if "broker" not in fleet.said:
        return ("fleet",)  # the embedded broker, which the file need not name
    return ("broker", "url_file" if fleet.broker.url_file else "url")
