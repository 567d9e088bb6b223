"""`fleet reload`: apply the file now, and tell how that ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.folding import fold, terminal_width
from fleet.cli.options import Failure, env_option, file_option, json_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir

_EXITS = {
    "unchanged": Exit.OK,
    "done": Exit.OK,
    "failed": Exit.FINDINGS,
    "rolled back": Exit.FINDINGS,
    "rejected": Exit.BAD_CONFIG,
}


@click.command()
@file_option
@env_option
@json_option
def command(file: Path | None, env: str | None, as_json: bool) -> int:
    """Apply the file to the running fleet and wait until the rollout has ended.

    Saving the file is enough for the fleet to follow; this is for scripts and for those who want to see it.
    Exits 0 when all is as declared, 1 when a new worker failed and the rollout was rolled back (or halted,
    with on_failure = "pause"), 78 when the file has errors, 3 when the fleet is not running.
    """
    from fleet.cli.locate import locate

    path, state = locate(file, env)
    return show(path, state, "/reload", as_json)


def show(
    path: Path, state: StateDir, where: str, as_json: bool, arguments: dict[str, Any] | None = None
) -> int:
    """Ask for it, show how it goes on, and return the exit code."""
    from fleet.cli.telling import watch

    for step in watch(path, state, where, arguments):
        if as_json:
            click.echo(json.dumps(step, ensure_ascii=False))
        else:
            _tell(step, path)
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
        _echo(_outcome(step, path))


def _echo(text: str, *, err: bool = False) -> None:
    click.echo("\n".join(fold(text.splitlines(), terminal_width())), err=err)


def _outcome(step: dict[str, Any], path: Path) -> str:
    match step["outcome"]:
        case "unchanged":
            return "nothing to do: the fleet is as the file declares it"
        case "done":
            draining = step["draining"]
            rest = f"; {draining} old worker{'s' if draining > 1 else ''} still draining" if draining else ""
            return f"done: the fleet is as the file declares it{rest}"
        case "failed":
            return f"halted: {step['reason']}"
        case "rolled back":
            return "\n".join(
                f"rolled back: {each['reason']}; {each['group']} goes on as it was" for each in step["groups"]
            )
    found = [_problem(path, each) for each in step["diagnostics"]]
    return "\n".join([*found, "rejected: the fleet goes on as it is"])


def _problem(path: Path, found: dict[str, Any]) -> str:
    place = f"{path}:{found['line']}:{found['column']}" if found["line"] else str(path)
    code = f"{found['code']} " if found["code"] else ""
    return f"{place}: {code}{found['message']}"
