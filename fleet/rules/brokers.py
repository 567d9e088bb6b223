"""The broker that a fleet talks to, as far as the file says it: kind, host, whether the words are its own."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from fleet.config.model import Fleet
from fleet.rules.files import absolute
from fleet.rules.finding import Finding, KeyPath

AMQP, REDIS, SQLITE = "RabbitMQ", "Redis", "SQLite"

_SCHEME = r"\s*[A-Za-z][\w+.-]*://"
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
        return urlsplit((fleet.broker.url or "sqlite:///").strip().split(";")[0])
    except ValueError:
        return None


def url_to_use(fleet: Fleet) -> str | None:
    """The URL as workers will get it; None when it is not to be seen here, or the default."""
    if not fleet.broker.url_file:
        return None if fleet.broker.url is None else fleet.broker.url.strip()
    if fleet.broker.url is not None:
        return None  # which of the two is meant?
    try:
        return absolute(fleet, fleet.broker.url_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def broker_kind(fleet: Fleet) -> str | None:
    """RabbitMQ, Redis or SQLite; None for others and when unknown."""
    url = broker_url(fleet)
    return _KINDS.get(url.scheme.lower()) if url else None


def may_be_rabbitmq(fleet: Fleet) -> bool:
    """Whether what only RabbitMQ refuses or does is worth a word: not where the file itself names another broker."""
    url = broker_url(fleet)
    return url is None or not is_kind_decided_here(fleet) or _KINDS.get(url.scheme.lower()) == AMQP


def is_decided_here(fleet: Fleet) -> bool:
    """Whether the file itself says which broker: with a variable another one may be meant elsewhere."""
    return not fleet.broker.url_file and fleet.written("broker", "url") is None


def is_kind_decided_here(fleet: Fleet) -> bool:
    """Whether the file itself says which kind of broker: a variable may bring its password, but not the scheme."""
    written = fleet.written("broker", "url")
    return is_decided_here(fleet) or (
        not fleet.broker.url_file and written is not None and re.match(_SCHEME, written) is not None
    )


def embedded_file(fleet: Fleet) -> Path | None:
    """The embedded broker's file; None when the broker is another one, or when that is decided elsewhere."""
    if broker_kind(fleet) != SQLITE or not is_decided_here(fleet):
        return None
    if fleet.broker.url is None:
        return absolute(fleet, fleet.project.state_dir) / "broker.db"
    return absolute(fleet, fleet.broker.url.partition("://")[2].partition("?")[0].removeprefix("/"))


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


def together(fleet: Fleet, path: KeyPath, found: list[Finding]) -> list[Finding]:
    """Findings about parts of the value at `path`. Where the value stands elsewhere (a variable, a file) there is one
    place to show for all of them: they become one, the first, with the others as notes.
    """
    apart = [each for each in found if each.path != path]
    here = [each for each in found if each.path == path]
    if is_decided_here(fleet) or not here[1:]:
        return found
    said = (f"{each.message}{f': {each.help}' if each.help else ''}" for each in here[1:])
    others = tuple(dict.fromkeys(said))  # each of several URLs may have the same mistake
    return [here[0]._replace(notes=(*here[0].notes, *others)), *apart]
