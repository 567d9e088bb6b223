"""Whose messages the workers trust, and over which wire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import broker_url, other_host
from fleet.rules.finding import Finding
from fleet.rules.registry import rule

_UNSAFE = re.compile(r"pickle|yaml|x-python-serialize", re.IGNORECASE)


@rule("FLT602", "unsafe-serializer", "error", reads=("broker.accept", "broker.allow_unsafe_serializers"))
def unsafe_serializer(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`accept` lets in pickle or yaml.

    Decoding pickle or (full) YAML runs code that the message names. Whoever can publish to the broker
    can then run anything in your workers. JSON is enough for arguments; if other programs leave no
    choice, `allow_unsafe_serializers = true` says that you know.

    Bad:

        [broker]
        accept = ["json", "pickle"]

    Good:

        [broker]
        accept = ["json"]
    """
    if fleet.broker.allow_unsafe_serializers:
        return
    for index, name in enumerate(fleet.broker.accept):
        if _UNSAFE.search(name):
            yield Finding(
                ("broker", "accept", index),
                f'accepting "{name}" lets anybody who can publish run code in the workers',
                help="remove it, or set `allow_unsafe_serializers = true` if you must",
            )


@rule(
    "FLT603", "unencrypted-broker", "warning", varies=True, reads=("broker.url", "broker.transport_options")
)
def unencrypted_broker(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The connection to a broker on another host is not encrypted.

    The password and all arguments of all tasks cross the network in the clear, and whoever can change
    packets can make the workers run any task. `amqps://` and `rediss://` encrypt. A host name without a
    dot is taken for a container next door, whose network is its own, and not reported.

    Bad:

        [broker]
        url = "amqp://rabbit.example.com//"

    Good:

        [broker]
        url = "amqps://rabbit.example.com//"
    """
    url, host = broker_url(fleet), other_host(fleet)
    encrypted = {"amqp": "amqps", "pyamqp": "amqps", "redis": "rediss", "valkey": "valkeys"}
    if url is None or host is None or url.scheme not in encrypted or not ("." in host or ":" in host):
        return
    if "ssl" in fleet.broker.transport_options or "ssl" in url.query:
        return
    yield Finding(
        ("broker", "url"),
        f"tasks and password go unencrypted to {host}",
        within=f"{url.scheme}:",
        help=f"{encrypted[url.scheme]}://…, if the broker speaks TLS there",
    )


@rule("FLT604", "guest-on-other-host", "warning", varies=True, reads=("broker.url",))
def guest_on_other_host(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The user `guest` on a broker on another host.

    guest:guest is in every tutorial. RabbitMQ therefore refuses it from other hosts, so that the workers
    can't connect; where that has been switched off (as in its Docker image), everybody who can reach the
    port can read and send tasks.

    Bad:

        [broker]
        url = "amqps://guest:guest@rabbit.example.com//"

    Good:

        [broker]
        url = "${BROKER_URL}"

    Source: RabbitMQ documentation, Access Control ("guest" user can only connect from localhost).
    """
    url, host = broker_url(fleet), other_host(fleet)
    if url is not None and host is not None and url.username == "guest":
        yield Finding(
            ("broker", "url"),
            f"the user guest on {host}: RabbitMQ refuses it from other hosts, or lets everybody in",
            within="guest",
            help="a user of its own: rabbitmqctl add_user, and url from ${BROKER_URL}",
        )
