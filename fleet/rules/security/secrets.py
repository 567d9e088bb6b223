"""Secrets: where they are written, and who can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.files import absolute, readable_by_others
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_COMMITTED = "if the file was ever committed, change the password: git's history keeps it"


@rule(
    "FLT601", "password-in-file", "warning", reads=("broker.url", "broker.transport_options", "workers.env")
)
def password_in_file(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A password is written into the file.

    fleet.toml belongs into version control, and a password does not: everybody who can read the
    repository, a CI log or a backup has it. Take it from the environment or from a file. With
    `--strict` this fails the check. Looked at are the broker's URL and options, and the variables in `env` whose
    names say what they hold. RabbitMQ's well-known guest:guest is no secret and not reported.

    Bad:

        [broker]
        url = "amqp://shop:hunter2@rabbit.internal//"

    Good:

        [broker]
        url = "${BROKER_URL}"

    Or:

        [broker]
        url_file = "/run/secrets/broker_url"
    """
    path: KeyPath = ("broker", "url")
    if _has_password(fleet.written(*path) or fleet.broker.url or ""):
        yield Finding(
            path,
            "a password is written into the broker URL",
            help='take it from the environment, url = "${BROKER_URL}", or from a file, url_file = "…"',
            notes=(_COMMITTED,),
        )
    yield from _in_options(fleet, ("broker", "transport_options"), fleet.broker.transport_options)
    for group, settings in fleet.workers.items():
        for name, value in settings.env.items():
            place: KeyPath = ("workers", group, "env", name)
            text = fleet.written(*place) or value
            if _is_secret(name, text) or ("://" in text and _has_password(text)):
                yield Finding(
                    place,
                    f"a secret is written into the file: `{name}`",
                    help=f'take it from the environment, {name} = "${{{name}}}", or put it into env_file',
                    notes=(_COMMITTED,),
                )


def _is_secret(name: str, text: str) -> bool:
    """By whole words of the name: TOKENIZERS_PARALLELISM has no token. Nor is a switch or a number a secret."""
    is_plain = (
        not text or "${" in text or re.fullmatch(r"true|false|yes|no|on|off|[\d.]+", text, re.IGNORECASE)
    )
    if is_plain:
        return False
    from fleet.secret_names import is_secret_in_words

    return is_secret_in_words(name)


def _has_password(text: str) -> bool:
    """As a URL has one."""
    if not text:
        return False
    from fleet.broker_url.masking import has_password

    return has_password(text)


def _in_options(fleet: Fleet, path: KeyPath, options: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in options.items():
        place = (*path, name)
        if isinstance(value, Mapping):
            yield from _in_options(fleet, place, value)
            continue
        text = fleet.written(*place) or value
        if isinstance(text, str) and _is_secret(name, text):
            yield Finding(
                place,
                f"a secret is written into the file: `{name}`",
                help=f'take it from the environment, {name} = "${{BROKER_{name.upper()}}}"',
                notes=(_COMMITTED,),
            )


@rule(
    "FLT606",
    "secret-readable-by-others",
    "warning",
    varies=True,
    singly=True,
    reads=("fleet.env_file", "dashboard.token_file"),
)
def secret_readable_by_others(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`env_file` or `token_file` can be read by everybody on the machine.

    They hold what fleet.toml must not hold. With mode 0644 every account of the machine has the database
    password or the dashboard's token. Files that are not there are not looked at, nor what a container
    runtime mounts under /run/secrets.

    Bad:

        chmod 644 .env

    Good:

        chmod 600 .env
    """
    files = {("fleet", "env_file"): fleet.project.env_file}
    if fleet.dashboard:
        files["dashboard", "token_file"] = fleet.dashboard.token_file
    for path, name in files.items():
        mode = readable_by_others(absolute(fleet, name)) if name else None
        if mode:
            yield Finding(
                path,
                f"everybody on this machine can read {name} (mode {mode})",
                help=f"chmod 600 {name}",
            )
