"""`fleet plan`: what the file would change in the running fleet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import coloured, env_option, file_option, json_option
from fleet.visible import all_visible, visible

if TYPE_CHECKING:
    from fleet.statedir import StateDir


@click.command(short_help="Show what the file would change in the running fleet.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit 2 when there are changes.")
@click.option(
    "--against",
    metavar="kubernetes|FILE",
    help="Compare with a cluster instead: with what kubectl says, or a file of `kubectl get -o json`.",
)
@file_option
@env_option
@json_option
def command(*, detailed: bool, against: str | None, file: Path | None, env: str | None, as_json: bool) -> int:
    """Show what the file would do to the running fleet, per worker, and why; change nothing.

    + start, - drain, ~ in place, ± replace. Also shown: where the fleet is not as the file in force says
    (overrides, rollbacks, replicas that are down). Of a fleet that does not run, all it would start. Exits
    78 when the file has errors.
    """
    from fleet.cli.file.locate import locate

    if against is not None:
        return _against(against, file, env, as_json=as_json, detailed=detailed)
    path, state = locate(file, env)
    found = _draft(path, env, state)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found, file, env)
    if "diagnostics" in found:
        return Exit.BAD_CONFIG
    return Exit.USAGE if detailed and found["changes"] else Exit.OK


def _against(against: str, file: Path | None, env: str | None, *, as_json: bool, detailed: bool) -> int:
    from fleet.cli.file.exported import examined
    from fleet.cli.file.loading import as_text
    from fleet.cli.running.cluster import objects
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.export.drift import drift
    from fleet.export.facts import Options
    from fleet.rules.exporting import cluster_drifted

    live = objects(against)
    loaded, known = examined(
        file,
        Options(env=env),
        lambda fleet, facts: (
            finding for each in drift(facts, live) for finding in cluster_drifted(fleet, each)
        ),
    )
    if not known:
        click.echo(as_text(loaded, sys.stderr), nl=False, err=True)
        return Exit.BAD_CONFIG
    differs = [each for each in loaded.diagnostics if each.code == "FLT716"]
    if as_json:
        changes = [{"path": each.path, "line": each.span.line, "message": each.message} for each in differs]
        click.echo(
            json.dumps({"file": str(loaded.source.path), "against": against, "changes": changes}, indent=2)
        )
    else:
        click.echo(
            as_text(loaded, sys.stdout) if differs else "the cluster is as the file says", nl=not differs
        )
    return Exit.USAGE if detailed and differs else Exit.OK


def _draft(path: Path, env: str | None, state: StateDir) -> dict[str, Any]:
    """From the controller, which has the variables that the file names; else as well as can be known here."""
    from urllib.parse import urlencode

    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable

    query = urlencode({"file": str(path), **({"env": env} if env else {})})
    try:
        return ApiClient(state.api_socket).get(f"/plan?{query}")
    except (ControllerUnavailable, ApiError):
        return _draft_here(path, env, state)


def _draft_here(path: Path, env: str | None, state: StateDir) -> dict[str, Any]:
    from fleet.controller.api.preview import Known, draft
    from fleet.controller.declared.reading import load_accepted
    from fleet.controller.state.store import recall
    from fleet.supervisor.client import SupervisorClient, SupervisorUnavailable

    revisions, overrides = recall(state)
    try:
        snapshot = SupervisorClient(state.supervisor_socket).snapshot()
    except SupervisorUnavailable:
        return draft(path, env, Known(overrides=overrides))
    return draft(path, env, Known(load_accepted(state), snapshot, revisions, overrides))


def _show(found: dict[str, Any], file: Path | None, env: str | None) -> None:
    from fleet.cli.options import terminal_width
    from fleet.cli.views.plan import lines, plain

    if "diagnostics" in found:
        _show_problems(found, file, env)
        return

    def paint(text: str, colour: str) -> str:
        return click.style(text, fg=colour) if colour != "bold" else click.style(text, bold=True)

    click.echo(
        "\n".join(lines(all_visible(found), terminal_width(), paint if coloured(sys.stdout) else plain))
    )


def _show_problems(found: dict[str, Any], file: Path | None, env: str | None) -> None:
    """As `fleet validate` does, if it finds them too: it may lack a variable that the controller has."""
    from fleet.cli.file.loading import load_loaded, show

    loaded = load_loaded(file, env)
    if loaded.fleet is None:
        show(loaded)
    else:
        for each in found["diagnostics"]:
            click.echo(visible(f"{found['file']}: {each['message']}"), err=True)
    click.echo("the file has errors: the fleet would go on as it is", err=True)
