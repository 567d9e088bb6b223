"""`fleet plan`: what the file would change in the running fleet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import coloured, env_option, file_option, json_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir


@click.command()
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit 2 when there are changes.")
@file_option
@env_option
@json_option
def command(detailed: bool, file: Path | None, env: str | None, as_json: bool) -> int:
    """Show what the file would do to the running fleet, per worker, and why; change nothing.

    + start, - drain, ~ in place, ± replace. Also shown: where the fleet is not as the file in force says
    (overrides, rollbacks, replicas that are down). Of a fleet that does not run, all it would start. Exits
    78 when the file has errors.
    """
    from fleet.cli.locate import locate

    path, state = locate(file, env)
    found = _draft(path, env, state)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found, file, env)
    if "diagnostics" in found:
        return Exit.BAD_CONFIG
    return Exit.USAGE if detailed and found["changes"] else Exit.OK


def _draft(path: Path, env: str | None, state: StateDir) -> dict[str, Any]:
    """From the controller, which has the variables that the file names; else as well as can be known here."""
    from urllib.parse import urlencode

    from fleet.cli.api import ApiClient, ApiError, ControllerUnavailable

    query = urlencode({"file": str(path), **({"env": env} if env else {})})
    try:
        return ApiClient(state.api_socket).get(f"/plan?{query}")
    except (ControllerUnavailable, ApiError):
        return _draft_here(path, env, state)


def _draft_here(path: Path, env: str | None, state: StateDir) -> dict[str, Any]:
    from fleet.controller.draft import Known, draft
    from fleet.controller.memory import recall
    from fleet.controller.reading import load_accepted
    from fleet.supervisor.client import SupervisorClient, SupervisorUnavailable

    ledger, overrides = recall(state)
    try:
        snapshot = SupervisorClient(state.supervisor_socket).snapshot()
    except SupervisorUnavailable:
        return draft(path, env, Known(overrides=overrides))
    return draft(path, env, Known(load_accepted(state), snapshot, ledger, overrides))


def _show(found: dict[str, Any], file: Path | None, env: str | None) -> None:
    from fleet.cli.folding import terminal_width
    from fleet.cli.plan_view import lines, plain

    if "diagnostics" in found:
        _show_problems(found, file, env)
        return

    def paint(text: str, colour: str) -> str:
        return click.style(text, fg=colour) if colour != "bold" else click.style(text, bold=True)

    click.echo("\n".join(lines(found, terminal_width(), paint if coloured(sys.stdout) else plain)))


def _show_problems(found: dict[str, Any], file: Path | None, env: str | None) -> None:
    """As `fleet validate` does, if it finds them too: it may lack a variable that the controller has."""
    from fleet.cli.loading import load_loaded, show

    loaded = load_loaded(file, env)
    if loaded.fleet is None:
        show(loaded)
    else:
        for each in found["diagnostics"]:
            click.echo(f"{found['file']}: {each['message']}", err=True)
    click.echo("the file has errors: the fleet would go on as it is", err=True)
