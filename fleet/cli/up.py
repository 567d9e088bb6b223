"""`fleet up`: check the file, take the lock, and become the supervisor."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, coloured, env_option, file_option, reason_of

if TYPE_CHECKING:
    from fleet.config.model import Fleet
    from fleet.statedir import StateDir

_WAIT_SECONDS = 60.0
# A disk that is full, files that are all in use: not the file's mistake, and whoever starts fleet may try again.
_PASSES_BY_ITSELF = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EINTR)


@click.command(short_help="Run the fleet, and follow every edit of its file.")
@file_option
@env_option
@click.option(
    "--detach", "-d", is_flag=True, help="Run in the background; return when `fleet status` can answer."
)
@click.option("--wait", "wait", is_flag=True, help="With --detach: return when all workers are ready.")
@click.option(
    "--timeout", metavar="TIME", help='With --wait: give up after so long, such as "5m" [default: 60s].'
)
@click.option(
    "--labels",
    envvar="FLEET_LABELS",
    metavar="NAMES",
    default="",
    help='What this host has, such as "gpu,ssd": it also runs the groups whose `on` asks for that.',
)
def command(
    *, file: Path | None, env: str | None, detach: bool, wait: bool, timeout: str | None, labels: str
) -> int:
    """Run the fleet that the file declares, and follow the file from then on.

    Stays in the foreground and shows what workers write. Ctrl-C drains all groups, a second one ends at once.
    """
    from fleet.cli.file.loading import load_loaded, show
    from fleet.cli.running import launch
    from fleet.cli.views.banner import banner

    if wait and not detach:
        raise Failure("--wait goes with --detach: in the foreground you see when all are ready", Exit.USAGE)
    seconds, own = _seconds(timeout, wait=wait), _labels(labels)
    loaded = load_loaded(file, env)
    show(loaded)
    if loaded.fleet is None:
        raise Failure(f"{loaded.source.path} has errors, so nothing was started", Exit.BAD_CONFIG)
    from fleet.config.resolve import state_dir

    _read_other_files(loaded.fleet)
    path = loaded.source.path.absolute()
    state = state_dir(loaded.fleet)
    _refuse_second(state, path, env)
    lock_fd = _take_lock(state)
    controller = launch.controller_program(state, path, env, own)
    if not detach:
        click.echo(banner(loaded.fleet, path, env), err=True, color=coloured(sys.stderr))
        launch.become_supervisor(state, controller, lock_fd, loaded.fleet.name)
    pid = launch.start_detached(state, controller, lock_fd)
    if not wait:
        from fleet.cli.running.readiness import wait_until_answering

        wait_until_answering(state)
    if wait:
        from fleet.cli.running.readiness import wait_until_healthy

        wait_until_healthy(state, time.monotonic() + seconds, seconds)
    click.echo(
        f"{loaded.fleet.name} is {'ready' if wait else 'up'}, pid {pid}: `fleet status`, `fleet down`",
        err=True,
    )
    return Exit.OK


def _seconds(timeout: str | None, *, wait: bool) -> float:
    """How long --wait waits. Raises Failure."""
    from fleet.config.units import parse_duration

    if timeout is None:
        return _WAIT_SECONDS
    if not wait:
        raise Failure("--timeout says how long --wait waits: it goes with --wait", Exit.USAGE)
    try:
        plain = timeout.replace(".", "", 1).isdecimal()
        return parse_duration(float(timeout) if plain else timeout).total_seconds()
    except ValueError:
        raise Failure(
            f'--timeout: expected a time such as "90s" or "5m", got "{timeout}"', Exit.USAGE
        ) from None


def _labels(text: str) -> tuple[str, ...]:
    """Raises Failure."""
    from fleet.host_labels import read

    try:
        return read(text)
    except ValueError as error:
        raise Failure(f"--labels: {error}", Exit.USAGE) from None


def _read_other_files(fleet: Fleet) -> None:
    """All that the controller will make of the file and of what it names: else nothing would ever start."""
    from fleet.config.resolve import app_import, routing
    from fleet.config.resolve_groups import worker_spec
    from fleet.config.source import Unreadable

    try:
        routing(fleet)
        app_import(fleet)
        for group in fleet.workers:
            worker_spec(fleet, group)
    except Unreadable as error:
        raise Failure(f"{error}, so nothing was started", Exit.BAD_CONFIG) from error


def _refuse_second(state: StateDir, path: Path, env: str | None) -> None:
    """By a link that was swapped, or an edit of state_dir, the fleet that runs lies elsewhere: it is the same all the
    same. Raises Failure.
    """
    from fleet.cli.file.locate import locate
    from fleet.supervisor import lock

    _, found = locate(path, env)
    try:
        pid = lock.holder(found) if found != state else None
    except OSError:
        pid = None
    if pid is not None:
        raise Failure(
            f"this fleet is already running, with pid {pid}, and its state directory is {found.root}: "
            "`fleet down` stops it",
            Exit.ALREADY_RUNNING,
        )


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
        passes = error.errno in _PASSES_BY_ITSELF
        advice = "; [fleet] state_dir names another" if error.errno and not passes else ""
        raise Failure(
            f"can't use the state directory {state.root}: {reason_of(error)}{advice}",
            Exit.FINDINGS if passes else Exit.BAD_CONFIG,
        ) from None
