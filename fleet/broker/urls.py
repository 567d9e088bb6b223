"""Broker URLs: which kind, and how to show one to people. Standard library only, without sockets."""

from __future__ import annotations

import re
from pathlib import Path

# Credentials end at the last "@": a password may hold "@", ":" and, badly escaped, even "/".
_CREDENTIALS = re.compile(r"(?<=://)([^\s/:@]*)(:\S*)?@(?=[^@\s]*$)")
_SECRET = re.compile(r"([?&][^=&;]*(?:password|passwd|secret|token|key)[^=&;]*=)[^&;#]*", re.IGNORECASE)
_FAMILIES = {
    **dict.fromkeys(("amqps", "pyamqp"), "amqp"),
    **dict.fromkeys(("rediss", "valkey", "valkeys", "sentinel", "redis+socket", "valkey+socket"), "redis"),
}


def mask_url(url: str) -> str:
    """`url` fit for logs and errors: passwords and secret parameters become `***`; user and host stay."""
    return ";".join(_mask(part) for part in url.split(";"))


def _mask(url: str) -> str:
    plain = _SECRET.sub(r"\1***", url)
    return _CREDENTIALS.sub(lambda match: f"{match[1]}:***@" if match[2] else match[0], plain)


def scheme(url: str) -> str:
    """The family of a URL: "amqp", "redis", "sqlite" …; TLS and driver variants count as their family."""
    name = url.partition("://")[0].lower()
    return _FAMILIES.get(name, name)


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`, read as SQLAlchemy reads them."""
    path = url.partition("://")[2].partition("?")[0]
    return Path(path.removeprefix("/") or "fleet.db")
