"""The broker's certificate: whether anybody looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import broker_url, other_host
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule
from fleet.rules.security.messages import is_inside

# Compiled by the first file that has a host to look at.
_OFF = r"(?i)[?&](ssl_cert_reqs=(?:cert_)?none|verify=verify_none)(?=&|;|#|$)"
_NAMES = ("ssl_cert_reqs", "cert_reqs")
_WORDS = ("none", "cert_none", "0")


@rule("FLT610", "unverified-broker", "warning", varies=True, reads=("broker.url", "broker.transport_options"))
def unverified_broker(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """TLS to the broker, but nobody looks at its certificate.

    `ssl_cert_reqs=none` (Redis) and `verify=verify_none` (RabbitMQ) encrypt what goes to whoever answers: somebody
    between the two hosts can answer in the broker's place, read the password and all arguments, and make the workers
    run any task. A certificate of one's own needs its authority named, and nothing switched off. Not reported for
    hosts that only a network of its own knows, as in FLT603.

    Bad:

        [broker]
        url = "rediss://redis.example.com/0?ssl_cert_reqs=none"

    Good:

        [broker]
        url = "rediss://redis.example.com/0?ssl_ca_certs=/etc/ssl/redis-ca.pem"
    """
    host = other_host(fleet)
    if host is None or is_inside(host) or (url := broker_url(fleet)) is None:
        return
    is_amqp = url.scheme.lower() in ("amqp", "amqps", "pyamqp")
    authority = "cacertfile=/path/ca.pem" if is_amqp else "ssl_ca_certs=/path/ca.pem"
    if (found := re.search(_OFF, fleet.broker.url or "")) is not None:
        yield _finding(("broker", "url"), found[1], host, authority)
    tls = fleet.broker.transport_options.get("ssl")
    for name, value in tls.items() if isinstance(tls, Mapping) else ():
        if name in _NAMES and _is_off(value):
            authority = f'{"ca_certs" if is_amqp else "ssl_ca_certs"} = "/path/ca.pem"'
            yield _finding(("broker", "transport_options", "ssl", name), None, host, authority)


def _is_off(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).lower() in _WORDS


def _finding(path: KeyPath, within: str | None, host: str, authority: str) -> Finding:
    return Finding(
        path,
        f"whoever answers as {host} is taken for the broker: its certificate is not verified",
        within=within,
        help=f"remove it; for a certificate of your own authority write {authority}",
    )
