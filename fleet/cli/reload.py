"""`fleet reload`: apply the file now, and tell how that ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option, terminal_width
from fleet.cli.views.reload_outcome import outcome
from fleet.cli.wrap import fold
from fleet.visible import all_visible

if TYPE_CHECKING:
    from fleet.statedir import StateDir

_EXITS = {
    "unchanged": Exit.OK,
    "done": Exit.OK,
    "failed": Exit.FINDINGS,
    "rolled back": Exit.FINDINGS,
    "rejected": Exit.BAD_CONFIG,
}


@click.command(short_help="Apply the file now, and wait until the rollout has ended.")
@file_option
@env_option
@json_option
def command(file: Path | None, env: str | None, as_json: bool) -> int:
    """Apply the file to the running fleet and wait until the rollout has ended.

    Saving the file is enough for the fleet to follow; this is for scripts and for those who want to see it.
    Exits 0 when all is as declared, 1 when a new worker failed and the rollout was rolled back (or halted,
    with on_failure = "pause"), 78 when the file has errors, 3 when the fleet is not running.
    """
    from fleet.cli.file.locate import locate

    path, state = locate(file, env)
    return show(path, state, "/reload", as_json)


def show(
    path: Path, state: StateDir, where: str, as_json: bool, arguments: dict[str, Any] | None = None
) -> int:
    """Ask for it, show how it goes on, and return the exit code."""
    from fleet.cli.running.commands import watch

    for step in watch(path, state, where, arguments):
        if as_json:
            click.echo(json.dumps(step, ensure_ascii=False))
        else:
            _tell(all_visible(step), path)
        if "outcome" in step:
            return _EXITS[step["outcome"]]
    raise Failure("the controller went away in the middle of it: `fleet status` tells how things stand")


def _tell(step: dict[str, Any], path: Path) -> None:
    """Progress on stderr, the outcome on stdout."""
    if "event" in step:
        _echo(f"  {step['event']['message']}", err=True)
    elif "progress" in step:
        if step["progress"] and sys.stderr.isatty():
            click.echo(f"  {step['progress']}", err=True)
    else:
        _echo(outcome(step, path))


def _echo(text: str, *, err: bool = False) -> None:
    click.echo("\n".join(fold(text.splitlines(), terminal_width())), err=err)
