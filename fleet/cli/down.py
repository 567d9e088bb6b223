"""`fleet down`: drain and stop, showing what it still waits for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir
    from fleet.supervisor.client import Snapshot, SupervisorClient

_LOOK_EVERY_SECONDS = 0.05
_REPEAT_SECONDS = 10.0
_PATIENCE_SECONDS = 30.0


@click.command(short_help="Stop the fleet: finish what runs, give back the rest.")
@click.option("--now", is_flag=True, help="Don't drain: what is unfinished goes back to the broker.")
@file_option
@env_option
def command(now: bool, file: Path | None, env: str | None) -> int:
    """Stop the fleet: finish what is in flight, give back what has not started. Waits until all is gone."""
    from fleet.cli.file.locate import locate
    from fleet.cli.running.commands import leave_word
    from fleet.supervisor import lock
    from fleet.supervisor.client import SupervisorClient

    path, state = locate(file, env)
    if lock.holder(state) is None:
        raise Failure(f"the fleet of {path} is not running: there is nothing to stop", Exit.NOT_RUNNING)
    leave_word(state, "down", now=now or None)
    client = SupervisorClient(state.supervisor_socket)
    _ask(state, client, now=now)
    _wait(state, client)
    click.echo("stopped", err=True)
    return Exit.OK


def _ask(state: StateDir, client: SupervisorClient, *, now: bool) -> None:
    """Until it is heard: a busy machine makes the supervisor slow, and a socket that was deleted comes back."""
    from fleet.supervisor import lock
    from fleet.supervisor.client import SupervisorUnavailable

    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while (pid := lock.holder(state)) is not None:
        try:
            client.shutdown(now=now)
            return
        except SupervisorUnavailable:
            if time.monotonic() > give_up_at:
                raise Failure(f"the supervisor, pid {pid}, does not answer: end it with `kill`") from None
            time.sleep(_LOOK_EVERY_SECONDS)


def _wait(state: StateDir, client: SupervisorClient) -> None:
    """Until nobody holds the lock; says who is still busy whenever that changes."""
    from fleet.supervisor import lock

    said, again_at = "", 0.0
    while lock.holder(state) is not None:
        busy = _busy(client)
        if busy and (busy != said or time.monotonic() > again_at):
            click.echo(f"draining {busy}", err=True)
            said, again_at = busy, time.monotonic() + _REPEAT_SECONDS
        time.sleep(_LOOK_EVERY_SECONDS)


def _busy(client: SupervisorClient) -> str:
    """The workers that are not gone yet: "http/0, http/1"."""
    from fleet.supervisor.client import SupervisorUnavailable

    try:
        snapshot = client.snapshot()
    except SupervisorUnavailable:
        return ""
    return ", ".join(_workers(snapshot))


def _workers(snapshot: Snapshot) -> list[str]:
    from fleet import program_labels

    alive = (program for program in program_labels.workers(snapshot.programs) if program.pid)
    return sorted(program_labels.WorkerLabels.of(program).slot for program in alive)
