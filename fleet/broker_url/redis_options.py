"""The options of Redis' client: as parameters of the URL, and as `transport_options`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NUMBER, WHOLE, FLAG, TEXT, TABLE, ANY = "a number", "a whole number", "true or false", "a text", "a table", ""
STEPS = "a list of whole numbers from 0 to 9, 0 among them"

# Names of the client's own (redis-py's URLs have the same), for the connection to one server.
CONNECTION = {
    "socket_timeout": NUMBER,
    "socket_connect_timeout": NUMBER,
    "socket_keepalive": FLAG,
    "health_check_interval": NUMBER,
    "retry_on_timeout": FLAG,
    "max_connections": WHOLE,
    "client_name": TEXT,
}
TLS = {
    **dict.fromkeys(("ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data"), TEXT),
    **dict.fromkeys(("ssl_password", "ssl_ciphers"), TEXT),
    "ssl_cert_reqs": '"required", "optional" or "none"',
    **dict.fromkeys(("ssl_check_hostname", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled"), FLAG),
    **dict.fromkeys(("ssl_min_version", "ssl_ocsp_context", "ssl_ocsp_expected_cert"), ANY),
    **dict.fromkeys(("ssl_include_verify_flags", "ssl_exclude_verify_flags"), ANY),
}
TLS_IN_URL = {name: kind for name, kind in TLS.items() if kind != ANY}
IDENTITY = {"username": TEXT, "password": TEXT, "db": WHOLE, "virtual_host": WHOLE}
PARAMETERS = {**CONNECTION, **TLS_IN_URL, **IDENTITY}

# Of kombu's Redis transport. Some mean nothing to fleet, which takes no harm from them: a fleet.toml may share
# its table with a Celery app.
_KOMBUS = {
    **dict.fromkeys(("body_encoding", "deadletter_queue", "sep", "unacked_key", "unacked_index_key"), TEXT),
    **dict.fromkeys(("unacked_mutex_key", "queue_order_strategy", "global_keyprefix", "master_name"), TEXT),
    **dict.fromkeys(("unacked_mutex_expire", "visibility_timeout", "unacked_restore_limit"), ANY),
    **dict.fromkeys(("unacked_restore_interval", "polling_interval", "interval_start"), ANY),
    **dict.fromkeys(("interval_step", "interval_max", "max_retries", "connect_retries_timeout"), ANY),
    **dict.fromkeys(("fanout_prefix", "fanout_patterns", "retry_policy", "errback", "callback"), ANY),
    **dict.fromkeys(("ack_emulation", "unacked_restore_throttle", "sentinel_fanout_compat"), ANY),
    **dict.fromkeys(("result_chord_ordered", "brpop_timeout"), ANY),
    "min_other_sentinels": WHOLE,
    "sentinel_kwargs": TABLE,
    "socket_keepalive_options": TABLE,
    "priority_steps": STEPS,
    "ssl": "true, false or a table",
}
OPTIONS = {**CONNECTION, **_KOMBUS}
SENTINEL = {**CONNECTION, **TLS, "username": TEXT, "password": TEXT, "ssl": FLAG, "db": WHOLE}

_EXAMPLES = {
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout", "health_check_interval"), "5"),  # seconds
    NUMBER: "5",
    WHOLE: "10",
    FLAG: "true",
    STEPS: "[0, 3, 6, 9]",
}


def example(name: str, kind: str, sign: str) -> str | None:
    """How a right value is written, behind `sign`."""
    value = _EXAMPLES.get(name) or _EXAMPLES.get(kind) or ('"required"' if name == "ssl_cert_reqs" else None)
    if value is None:
        return None
    seconds = ", in seconds" if kind == NUMBER else ""
    return f"write {name}{sign}{value.strip(chr(34)) if sign == '=' else value}{seconds}"


_CERT_REQS = ("none", "optional", "required", "cert_none", "cert_optional", "cert_required")


def is_a(kind: str, value: Any) -> bool:
    """Whether `value`, from TOML, is what an option of this kind takes."""
    return _CHECKS[kind](value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_cert_reqs(value: Any) -> bool:
    """In redis-py's words, in kombu's, or as Python's ssl has it (in a Celery app's settings)."""
    return value in (0, 1, 2) if isinstance(value, int) else str(value).lower() in _CERT_REQS


def _are_steps(value: Any) -> bool:
    return isinstance(value, list | tuple) and 0 in value and all(_is_whole(n) and n <= 9 for n in value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    NUMBER: _is_number,
    WHOLE: _is_whole,
    FLAG: lambda value: isinstance(value, bool),
    TEXT: lambda value: isinstance(value, str),
    TABLE: lambda value: isinstance(value, Mapping),
    STEPS: _are_steps,
    TLS["ssl_cert_reqs"]: _is_cert_reqs,
    "true, false or a table": lambda value: isinstance(value, bool | Mapping),
    ANY: lambda value: True,
}


def read(name: str, text: str) -> Any:
    """The value of the parameter `name` of a URL. Raises ValueError: not what it takes."""
    kind = PARAMETERS[name]
    if kind == NUMBER and text.lower().strip("+-") not in ("nan", "inf", "infinity"):
        value: Any = float(text)
    elif kind == WHOLE:
        value = int(text)
    elif kind == FLAG:
        value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.lower()
        )
    else:
        value = text
    if not is_a(kind, value):
        raise ValueError(kind)
    return value
