"""Secrets: where they are written, and who can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.files import absolute, readable_by_others
from fleet.rules.finding import Change, Finding, KeyPath
from fleet.rules.registry import rule

# user:password@ in an URL, where the password is written out rather than ${VAR}.
_PASSWORD = re.compile(r"://[^/@\s:]*:(?P<password>[^/@\s]+)@")


@rule("FLT601", "password-in-file", "warning", fix="unsafe", reads=("broker.url",))
def password_in_file(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A password is written into the broker's URL.

    fleet.toml belongs into version control, and a password does not: everybody who can read the
    repository, a CI log or a backup has it. Take it from the environment or from a file. With
    `--strict` this fails the check. RabbitMQ's well-known guest:guest is no secret and not reported.

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
    text = fleet.written(*path) or fleet.broker.url or ""
    match = _PASSWORD.search(text)
    if not match or "${" in match["password"] or match.group() == "://guest:guest@":
        return
    yield Finding(
        path,
        "a password is written into the broker URL",
        help='take it from the environment, url = "${BROKER_URL}", or from a file, url_file = "…"',
        notes=("it is in the history of the repository now: change it",),
        steps=(Change(path, '"${BROKER_URL}"'),),
    )


@rule(
    "FLT606",
    "secret-readable-by-others",
    "warning",
    varies=True,
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
