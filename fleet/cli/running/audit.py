"""The audit of verbs that change queues: noted in the event log, by the controller or else by the command."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fleet.cli.file.locate import locate
from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from fleet.statedir import StateDir
from fleet.visible import visible

_WORD_SECONDS = 2.0
MOST_IDS = 20
"""Named one by one; the count says how many there were."""


def note(file: Path | None, env: str | None, verb: str, outcome: str, **arguments: Any) -> None:
    """What has just been done. That it could not be noted is said on stderr, and changes nothing."""
    path, state = locate(file, env)
    given = {name: value for name, value in arguments.items() if value not in (None, [], ())}
    try:
        ApiClient(state.api_socket).post(
            f"/commands/{verb}", {**given, "outcome": outcome}, seconds=_WORD_SECONDS
        )
    except (ControllerUnavailable, ApiError):
        if error := _write(state, verb, outcome, given):
            click.echo(visible(f"not noted in the event log of {path}: {error}"), err=True)


def _write(state: StateDir, verb: str, outcome: str, arguments: dict[str, Any]) -> OSError | None:
    """As the controller writes it, of this process."""
    from fleet.controller.log.journal import Journal

    actor = _own_name()
    audit = {
        "actor": actor,
        "pid": os.getpid(),
        "verb": verb,
        "arguments": arguments,
        "outcome": outcome,
    }
    entry = {
        "sequence": 0,  # of no controller
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "level": "INFO",
        "message": visible(f"{actor}: {verb}: {outcome}"),
        "audit": audit,
    }
    journal = Journal(state.events)
    try:
        state.make_root()
    except OSError as error:
        return error
    journal.write(entry)
    return journal.error


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
