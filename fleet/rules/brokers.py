"""Which broker a fleet talks to, as far as the file says it: kind, host, whether the words are its own."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from fleet.config.model import Fleet

AMQP, REDIS, SQLITE = "RabbitMQ", "Redis", "SQLite"

_KINDS = {
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), AMQP),
    **dict.fromkeys(("redis", "rediss", "redis+socket", "valkey", "valkeys", "sentinel"), REDIS),
    "sqlite": SQLITE,
}


def broker_url(fleet: Fleet) -> SplitResult | None:
    """None when it is not to be seen here: another file holds it, or a variable that is not set."""
    if fleet.broker.url_file or "${" in (fleet.broker.url or ""):
        return None
    try:
        return urlsplit((fleet.broker.url or "sqlite:///").split(";")[0])
    except ValueError:
        return None


def broker_kind(fleet: Fleet) -> str | None:
    """RabbitMQ, Redis or SQLite; None for others and when unknown."""
    url = broker_url(fleet)
    return _KINDS.get(url.scheme.lower()) if url else None


def is_decided_here(fleet: Fleet) -> bool:
    """Whether the file itself says which broker: with a variable another one may be meant elsewhere."""
    return not fleet.broker.url_file and fleet.written("broker", "url") is None


def other_host(fleet: Fleet) -> str | None:
    """The broker's host, unless that is this machine."""
    url = broker_url(fleet)
    try:
        host = url.hostname if url else None
    except ValueError:
        return None
    return None if not host or is_loopback(host) else host


def is_loopback(host: str) -> bool:
    """127.0.0.0/8, ::1, localhost and names below it."""
    name = host.lower().strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    from ipaddress import ip_address  # few files name a host, and `fleet validate` is to be instant

    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
