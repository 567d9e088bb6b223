"""The addresses in a Redis URL, as kombu and redis-py take them: one Address for each URL that is tried in turn.

kombu crashes on parameters that it does not know and leaves others out, so it gets none but its own: what a
URL says is read here, and handed on as options. What may stand in a URL is checked before (`refuse_bad_url`).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from fleet.broker_url import redis_options
from fleet.broker_url.parts import SOCKETS, alternatives, split


@dataclass(frozen=True, slots=True)
class Address:
    """One Redis, or the sentinels that know it. `written`: its URL in the file, secrets and all.

    `url` is under a scheme that kombu knows and without parameters, `tls` what redis-py's SSL connection takes;
    None: no TLS.
    """

    written: str
    url: str
    options: Mapping[str, Any]
    tls: Mapping[str, Any] | None


def addresses(url: str, options: Mapping[str, Any]) -> list[Address]:
    """In the order of the file; sentinels are asked by kombu, all in one."""
    urls = alternatives(url)
    if urls[0].lower().startswith("sentinel:"):
        found = [_address(each, options) for each in urls]
        return [Address(url, ";".join(each.url for each in found), found[0].options, found[0].tls)]
    return [_address(each, options) for each in urls]


def _address(url: str, options: Mapping[str, Any]) -> Address:
    parts = split(url)
    said: dict[str, Any] = {
        name: redis_options.read(name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name in redis_options.PARAMETERS
    }
    user, _, password = (parts.credentials or "").partition(":")
    user, password = (said.pop("username", unquote(user)), said.pop("password", unquote(password)))
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    tls = {name: said.pop(name) for name in redis_options.TLS if name in said}
    database = said.pop("db", said.pop("virtual_host", None))
    said.pop("virtual_host", None)
    scheme = parts.scheme.replace("valkey", "redis")
    if parts.scheme in SOCKETS:
        kombus = f"redis+socket://{login}{parts.path}?virtual_host={database or 0}"
    else:
        path = parts.path.strip("/") if database is None else str(database)
        kombus = f"{scheme}://{login}{parts.netloc}/{path}"
    return Address(url, kombus, _prepared({**options, **said}), _tls(scheme, tls, options.get("ssl")))


def _tls(scheme: str, said: Mapping[str, Any], wanted: Any) -> dict[str, Any] | None:
    """kombu takes `rediss://` without `ssl_…` parameters to mean TLS with whomever; here it is verified.

    `wanted` is what Celery calls `broker_use_ssl`, and what Sentinel needs: True, or a dict.
    """
    if scheme != "rediss" and not said and not wanted:
        return None
    tls = {"ssl_cert_reqs": "required", **said, **(wanted if isinstance(wanted, Mapping) else {})}
    strictness = tls["ssl_cert_reqs"]
    if isinstance(strictness, str):
        tls["ssl_cert_reqs"] = strictness.lower().removeprefix("cert_")
    if tls["ssl_cert_reqs"] in ("none", 0):
        tls.setdefault("ssl_check_hostname", False)
    return tls


def _prepared(options: Mapping[str, Any]) -> dict[str, Any]:
    """TOML's keys are text: socket options by name or number become what a socket takes."""
    given = options.get("socket_keepalive_options")
    if not isinstance(given, Mapping):
        return dict(options)
    numbered = {_socket_option(name): value for name, value in given.items()}
    return {**options, "socket_keepalive_options": numbered}


def _socket_option(name: Any) -> int:
    """Raises ValueError for one that this system lacks."""
    if isinstance(name, int):
        return name
    found = getattr(socket, str(name), name)
    return int(found)
