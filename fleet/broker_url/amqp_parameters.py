"""The parameters behind the ? of an AMQP URL: RabbitMQ's own, kombu's, and those of other clients.

Those that have a meaning here are honoured; those of other clients that have none are left out, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

_VERIFY = {"verify_peer": "required", "verify_none": "none"}
_MECHANISMS = ("PLAIN", "AMQPLAIN", "EXTERNAL")
# Meant for other clients, or for servers.
IGNORED = frozenset(
    {
        *("fail_if_no_peer_cert", "depth", "password", "locale", "name", "product", "connection_name"),
        *("blocked_connection_timeout", "connection_attempts", "retry_delay", "socket_timeout"),
        *("stack_timeout", "tcp_options", "backpressure_detection", "failover_strategy"),
    }
)


class AmqpParameters(NamedTuple):
    """As far as the URL says them. Seconds; `tls` as py-amqp's `ssl`, its `cert_reqs` in words."""

    heartbeat_seconds: float | None = None
    connect_seconds: float | None = None
    channel_max: int | None = None
    frame_max: int | None = None
    login_method: str | None = None
    tls: dict[str, Any] = {}  # noqa: RUF012  # never changed


# Options that py-amqp's connection takes, and kombu's about trying again. Others it swallows without a word.
OPTIONS = (
    *(
        "login_method",
        "login_response",
        "authentication",
        "virtual_host",
        "locale",
        "client_properties",
        "ssl",
    ),
    *("connect_timeout", "channel_max", "frame_max", "confirm_publish", "read_timeout", "write_timeout"),
    *("socket_settings", "host", "userid", "password", "on_open", "on_blocked", "on_unblocked", "on_tune_ok"),
    *(
        "max_retries",
        "interval_start",
        "interval_step",
        "interval_max",
        "retry_policy",
        "errback",
        "callback",
    ),
)


class Fault(NamedTuple):
    """Something wrong with one parameter. `harmless`: it is left out. `where`: how it stands in the URL."""

    name: str
    text: str
    harmless: bool
    where: str = ""


def read(url: str) -> AmqpParameters:
    """Of "url;url" the first one's. Raises ValueError, in words that hold no value, for one that can't be read."""
    found: dict[str, Any] = {}
    tls: dict[str, Any] = {}
    for name, value in _pairs(url.split(";", maxsplit=1)[0]):
        if name not in _READERS:
            continue
        field, convert, takes = _READERS[name]
        try:
            (tls if field.startswith("tls.") else found)[field.removeprefix("tls.")] = convert(value)
        except (ValueError, KeyError):
            raise ValueError(f"the parameter `{name}` of the broker URL takes {takes}") from None
    return AmqpParameters(**found, tls={name: value for name, value in tls.items() if value is not None})


def without(url: str) -> str:
    """The URL, or URLs, without what is behind the ?."""
    return ";".join(_cut(each)[0] for each in url.split(";"))


def faults(url: str) -> Iterator[Fault]:
    """All that is wrong with the parameters; no value is in the words."""
    seen = set()
    for where in (pair for each in url.split(";") for pair in _cut(each)[1].split("&")):
        name, value = next(iter(parse_qsl(where, keep_blank_values=True)), ("", ""))
        if not name or name in seen:
            continue
        seen.add(name)
        if name in _READERS:
            _, convert, takes = _READERS[name]
            try:
                convert(value)
            except (ValueError, KeyError):
                text = f"the parameter `{name}` of the broker URL takes {takes}"
                yield Fault(name, text, harmless=False, where=where)
        elif name in IGNORED:
            text = f"fleet leaves out the parameter `{name}` of the broker URL"
            yield Fault(name, text, harmless=True, where=where)
        else:
            shown = name if name.isidentifier() and len(name) <= 40 else "…"  # it may be half a password
            text = f"RabbitMQ's URLs have no parameter `{shown}`: it is left out"
            yield Fault(shown, text, harmless=True, where=where)


def known() -> tuple[str, ...]:
    """The parameters that have an effect."""
    return tuple(_READERS)


def _pairs(url: str) -> list[tuple[str, str]]:
    return parse_qsl(_cut(url)[1], keep_blank_values=True)


def _cut(url: str) -> tuple[str, str]:
    """(before the ?, behind it). A password that is not percent-encoded may hold one."""
    before, at, rest = url.rpartition("@")
    path, _, query = rest.partition("?")
    return f"{before}{at}{path}", query


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e6:
        raise ValueError
    return seconds


def _milliseconds(text: str) -> float:
    return _seconds(text) / 1000


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError
    return number


def _frame(text: str) -> int:
    number = _count(text)
    if 0 < number < 4096:  # the least that AMQP allows
        raise ValueError
    return number


def _mechanism(text: str) -> str:
    if text.upper() not in _MECHANISMS:
        raise ValueError
    return text.upper()


def _server_name(text: str) -> str | None:
    return None if text == "disable" else text


def _verification(text: str) -> str:
    name = text.lower().removeprefix("cert_")
    if name not in ("required", "optional", "none"):
        raise ValueError
    return name


_Reader = tuple[str, Callable[[str], Any], str]
_READERS: dict[str, _Reader] = {
    "heartbeat": ("heartbeat_seconds", _seconds, "seconds"),
    "connection_timeout": ("connect_seconds", _milliseconds, "milliseconds"),
    "connect_timeout": ("connect_seconds", _seconds, "seconds"),
    "channel_max": ("channel_max", _count, "a number"),
    "frame_max": ("frame_max", _frame, "a number of bytes, 4096 or more"),
    **dict.fromkeys(
        ("auth_mechanism", "login_method"), ("login_method", _mechanism, "plain, amqplain or external")
    ),
    **dict.fromkeys(("cacertfile", "ssl_ca_certs"), ("tls.ca_certs", str, "a file")),
    **dict.fromkeys(("certfile", "ssl_certfile"), ("tls.certfile", str, "a file")),
    **dict.fromkeys(("keyfile", "ssl_keyfile"), ("tls.keyfile", str, "a file")),
    "verify": ("tls.cert_reqs", lambda text: _VERIFY[text.lower()], "verify_peer or verify_none"),
    "ssl_cert_reqs": ("tls.cert_reqs", _verification, "required, optional or none"),
    "server_name_indication": ("tls.server_hostname", _server_name, "a host name, or disable"),
}
EXAMPLES = {
    "heartbeat": "heartbeat=30",
    "connection_timeout": "connection_timeout=5000",
    "connect_timeout": "connect_timeout=5",
    "channel_max": "channel_max=100",
    "frame_max": "frame_max=131072",
    **{name: f"{name}=plain" for name in ("auth_mechanism", "login_method")},
    "verify": "verify=verify_peer",
    "ssl_cert_reqs": "ssl_cert_reqs=required",
}
"""One for each parameter that can be wrong."""
