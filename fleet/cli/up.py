"""`fleet up`: check the file, take the lock, and become the supervisor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, coloured, env_option, file_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir


@click.command()
@file_option
@env_option
@click.option("--detach", is_flag=True, help="Run in the background; return when it has started.")
@click.option("--wait", "wait", is_flag=True, help="With --detach: return when all workers are ready.")
def command(file: Path | None, env: str | None, detach: bool, wait: bool) -> int:
    """Run the fleet that the file declares, and follow the file from then on.

    Stays in the foreground and shows what workers write. Ctrl-C drains all groups, a second one ends at once.
    """
    from fleet.cli import launch
    from fleet.cli.banner import banner
    from fleet.cli.loading import load_loaded, show

    if wait and not detach:
        raise Failure("--wait goes with --detach: in the foreground you see when all are ready", Exit.USAGE)
    loaded = load_loaded(file, env)
    show(loaded)
    if loaded.fleet is None:
        raise Failure(f"{loaded.source.path} has errors, so nothing was started", Exit.BAD_CONFIG)
    from fleet.config.resolve import state_dir

    path = loaded.source.path.absolute()
    state = state_dir(loaded.fleet)
    lock_fd = _take_lock(state)
    controller = launch.controller_program(state, path, env)
    if not detach:
        click.echo(banner(loaded.fleet, path, env), err=True, color=coloured(sys.stderr))
        launch.become_supervisor(state, controller, lock_fd, loaded.fleet.name)
    pid = launch.start_detached(state, controller, lock_fd)
    if wait:
        from fleet.cli.readiness import wait_until_healthy

        wait_until_healthy(state)
    click.echo(
        f"{loaded.fleet.name} is {'ready' if wait else 'up'}, pid {pid}: `fleet status`, `fleet down`",
        err=True,
    )
    return Exit.OK


def _take_lock(state: StateDir) -> int:
    from fleet.supervisor import lock

    try:
        state.create()
        return lock.take(state)
    except lock.AlreadyRunning as error:
        raise Failure(
            f"this fleet is {error}: edit its file and it follows, `fleet down` stops it",
            Exit.ALREADY_RUNNING,
        ) from None
    except OSError as error:
        raise Failure(f"state directory {state.root}: {error}", Exit.FINDINGS) from None
