"""Whose messages the workers trust, and over which wire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import broker_url, other_host
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Change, Finding
from fleet.rules.registry import rule

_UNSAFE = re.compile(r"pickle|yaml|x-python-serialize", re.IGNORECASE)


# Names of kombu's formats, and their content types.
_FORMATS = {
    **dict.fromkeys(("json", "yaml", "pickle", "msgpack"), ""),
    "application/json": "json",
    "application/x-yaml": "yaml",
    "application/x-python-serialize": "pickle",
    "application/x-msgpack": "msgpack",
}
_ALIASES = {"application/msgpack": "msgpack", "application/yaml": "yaml", "text/json": "json"}


@rule("FLT602", "unsafe-serializer", "error", reads=("broker.accept", "broker.allow_unsafe_serializers"))
def unsafe_serializer(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`accept` lets in pickle or yaml.

    Decoding pickle or (full) YAML runs code that the message names. Whoever can publish to the broker
    can then run anything in your workers. JSON is enough for arguments; if other programs leave no
    choice, `allow_unsafe_serializers = true` says that you know. Where `accept` has neither, it does nothing but wait
    for somebody to add them.

    Bad:

        [broker]
        accept = ["json", "pickle"]

    Good:

        [broker]
        accept = ["json"]
    """
    if fleet.broker.allow_unsafe_serializers:
        is_known = all(name in _FORMATS for name in fleet.broker.accept)  # else "pikle" may have been meant
        if is_known and not any(_UNSAFE.search(name) for name in fleet.broker.accept):
            yield Finding(
                ("broker", "allow_unsafe_serializers"),
                "`allow_unsafe_serializers` does nothing: `accept` has neither pickle nor yaml",
                part="key",
                help="remove it, so that nobody adds them without a second thought",
                severity="info",
            )
        return
    for index, name in enumerate(fleet.broker.accept):
        if _UNSAFE.search(name):
            yield Finding(
                ("broker", "accept", index),
                f'accepting "{name}" lets anybody who can publish run code in the workers',
                help="remove it, or set `allow_unsafe_serializers = true` if you must",
            )


@rule("FLT609", "unknown-serializer", "error", fix="unsafe", reads=("broker.accept",))
def unknown_serializer(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`accept` names a format that there is not, or none at all.

    What a worker does not accept goes to the dead letters. With an empty list, or a mistyped name alone, that is
    every message. There are json, msgpack, pickle and yaml, also by their content types. Formats of your own are
    registered by the app: then note it, `# fleet: ignore[FLT609] why`.

    Bad:

        [broker]
        accept = ["jason"]

    Good:

        [broker]
        accept = ["json"]
    """
    if not fleet.broker.accept:
        yield Finding(
            ("broker", "accept"),
            "an empty `accept` takes no message at all: each goes to the dead letters",
            help='accept = ["json"], or leave it out, which is the same',
            steps=(Change(("broker", "accept"), '["json"]'),),
        )
    for index, name in enumerate(fleet.broker.accept):
        if name in _FORMATS:
            continue
        guess = _ALIASES.get(name) or nearest(name.lower(), _FORMATS)
        # What runs code in the workers is not written by a fix; nor would FLT602 let it be.
        is_safe = not guess or not _UNSAFE.search(guess) or fleet.broker.allow_unsafe_serializers
        path = ("broker", "accept", index)
        yield Finding(
            path,
            f'there is no format "{name[:40]}": messages in it go to the dead letters',
            help=_meant(guess),
            steps=(Change(path, f'"{guess}"'),)
            if guess and is_safe and guess not in fleet.broker.accept
            else (),
        )


def _meant(guess: str | None) -> str:
    """Help for a format that there is not."""
    if guess is None:
        return "there are json, msgpack, pickle and yaml"
    runs_code = ' It lets a message run code in the workers; "json" does not' if _UNSAFE.search(guess) else ""
    return f'did you mean "{guess}"?{runs_code}'


@rule(
    "FLT603", "unencrypted-broker", "warning", varies=True, reads=("broker.url", "broker.transport_options")
)
def unencrypted_broker(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The connection to a broker on another host is not encrypted.

    The password and all arguments of all tasks cross the network in the clear, and whoever can change
    packets can make the workers run any task. `amqps://` and `rediss://` encrypt. A host name without a dot is
    taken for a container next door, one of a Kubernetes service (`.svc`, `.cluster.local`) or under `.internal` for
    one whose network is its own: they are not reported.

    Bad:

        [broker]
        url = "amqp://rabbit.example.com//"

    Good:

        [broker]
        url = "amqps://rabbit.example.com//"
    """
    url, host = broker_url(fleet), other_host(fleet)
    encrypted = {"amqp": "amqps", "pyamqp": "amqps", "redis": "rediss", "valkey": "valkeys"}
    if url is None or host is None or url.scheme not in encrypted or is_inside(host):
        return
    if fleet.broker.transport_options.get("ssl") or "ssl" in url.query:
        return
    yield Finding(
        ("broker", "url"),
        f"tasks and password go unencrypted to {host}",
        within=f"{url.scheme}:",
        help=f"{encrypted[url.scheme]}://…, if the broker speaks TLS there",
    )


def is_inside(host: str) -> bool:
    """Whether the name is one that only a network of its own knows."""
    name = host.lower().rstrip(".")
    if "." not in name and ":" not in name:
        return True
    return name.endswith((".svc", ".cluster.local", ".internal")) or ".svc." in name


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
            help='make a user for this fleet (`rabbitmqctl add_user`), and write url = "${BROKER_URL}"',
        )
