"""`fleet top`: the fleet on a terminal, as it is now, with the keys to act on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, coloured, env_option, file_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir


@click.command(short_help="Watch the fleet on the terminal, and act on it.")
@click.option("--readonly", is_flag=True, help="Only look: no key changes anything.")
@file_option
@env_option
def command(*, readonly: bool, file: Path | None, env: str | None) -> int:
    """Watch the fleet on the terminal, and act on it.

    Screens: 1 overview, 2 queues, 3 groups and workers, 4 tasks, 5 what failed, 6 events,
    7 schedules. Arrows or j and k
    move, Enter opens, Esc goes back, / filters, s sorts, q ends it. l shows the log of a worker, i where its
    code is, w why a group has as many workers, p the plan. Uppercase letters act, and ask before: P pause,
    U resume, S scale, R restart, D drain, A apply the file; of queues, which Space marks, T retries dead
    letters, X deletes them. On a terminal that can't be drawn on (TERM=dumb)
    it is `fleet status --watch`.
    """
    from fleet.cli.file.locate import locate

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise Failure("`fleet top` needs a terminal; `fleet status` prints how things stand", Exit.USAGE)
    path, state = locate(file, env)
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown") or not _curses_works():
        from fleet.cli.status import follow

        follow(path, state, as_json=False)
    else:
        _screen(path, env, state, readonly=readonly)
    return Exit.OK


def _curses_works() -> bool:
    """Not every Python has it, nor every system a description of the terminal."""
    try:
        import curses
    except ImportError:
        return False
    try:
        curses.setupterm(fd=sys.__stdout__.fileno())  # type: ignore[union-attr]
    except curses.error:
        return False
    return True


def _screen(path: Path, env: str | None, state: StateDir, *, readonly: bool) -> None:
    from fleet.cli.running.api_client import ApiClient
    from fleet.cli.screen.errands import Errands
    from fleet.cli.screen.model import Model
    from fleet.cli.screen.terminal import Terminal
    from fleet.visible import visible

    model = Model(visible(str(path)), readonly=readonly)
    errands = Errands(path, env, state)
    Terminal(model, ApiClient(state.api_socket), errands, coloured=coloured(sys.stdout)).run()
