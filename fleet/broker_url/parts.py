"""The parts of a broker URL as it was meant, also where a password in it is not percent-encoded."""

from __future__ import annotations

import re
from typing import NamedTuple

# What kombu knows by these names (a test compares), and fleet's own.
SCHEMES = (
    *("amqp", "amqps", "pyamqp", "librabbitmq", "qpid"),
    *("redis", "rediss", "valkey", "valkeys", "sentinel", "unix", "sqlite", "memory", "filesystem"),
    *("sqs", "slmq", "azureservicebus", "azurestoragequeues", "gcpubsub", "confluentkafka", "kafka"),
    *("mongodb", "consul", "etcd", "zookeeper", "pyro", "pgmq", "sqla", "sqlalchemy"),
)
SOCKETS = ("unix", "redis+socket", "valkey+socket")
_FAMILIES = {
    **dict.fromkeys(("amqps", "pyamqp"), "amqp"),
    **dict.fromkeys(("rediss", "valkey", "valkeys", "sentinel", *SOCKETS), "redis"),
}
_NEXT = re.compile(r";\s*(?=[A-Za-z][\w+.\-]*://)")
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")


class Parts(NamedTuple):
    """`credentials` is all before the last "@", or None; `netloc` the host and port behind it."""

    scheme: str
    credentials: str | None
    netloc: str
    path: str
    query: str
    fragment: str

    @property
    def host(self) -> str | None:
        """None when `netloc` is no host with a port."""
        found = _HOST.fullmatch(self.netloc)
        return found["host"] if found else None

    @property
    def port(self) -> str | None:
        """As it stands there; None without one."""
        found = _HOST.fullmatch(self.netloc)
        return found["port"] if found else None

    @property
    def is_address(self) -> bool:
        """Whether a host and a port that can be one stand where they should."""
        return self.host is not None and (not self.port or is_port(self.port))


def is_port(text: str) -> bool:
    digits = text.lstrip("0")
    return digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 65535


def family(url: str) -> str:
    """The family of a URL: "amqp", "redis", "sqlite" …; TLS and driver variants count as their family.

    "" without a scheme.
    """
    name, found, _ = url.partition("://")
    return _FAMILIES.get(name.lower(), name.lower()) if found else ""


def alternatives(url: str) -> list[str]:
    """The URLs of "url;url", which are tried in turn. The path of an embedded broker may hold any character."""
    return [url] if family(url) == "sqlite" else _NEXT.split(url)


def split(url: str) -> Parts:
    """One URL with a scheme. An "@" behind a "?" belongs to the query if an address stands before that."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() == "sqlite":
        path, _, query = rest.partition("?")
        return Parts("sqlite", None, "", path, query, "")
    plain = _split(scheme.lower(), rest)
    login, at, netloc = plain.netloc.rpartition("@")
    usual = plain._replace(credentials=login if at else None, netloc=netloc)
    before, at, after = rest.rpartition("@")
    if not at or (usual.is_address and "@" not in usual.path + usual.fragment):
        return usual
    return _split(scheme.lower(), after)._replace(credentials=before)


def _split(scheme: str, rest: str) -> Parts:
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    netloc, slash, path = rest.partition("/")
    return Parts(scheme, None, netloc, slash + path, query, fragment)
