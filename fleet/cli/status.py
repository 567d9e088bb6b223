"""`fleet status`: how the fleet is doing."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, coloured, env_option, file_option, json_option
from fleet.visible import all_visible

if TYPE_CHECKING:
    from fleet.statedir import StateDir

_REFRESH_SECONDS = 1.0
_EXITS = {"healthy": Exit.OK}
_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "dim": {"dim": True},
    "head": {"bold": True},
}


@click.command(short_help="Show whether the fleet is healthy, its workers and queues.")
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
@click.option("--why", "group", metavar="GROUP", help="Why this worker group has as many workers as it has.")
@click.option("--stack", "worker", metavar="GROUP/N", help="Where the code of this worker is just now.")
@click.option("--everywhere", is_flag=True, help="All hosts that run this fleet, heard through its broker.")
@file_option
@env_option
@json_option
def command(
    *,
    watch: bool,
    group: str | None,
    worker: str | None,
    everywhere: bool,
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Show whether the fleet is healthy, what its workers and queues do, and what is wrong.

    Exits 0 when it is healthy, 1 when it is degraded or stopping, 3 when it is not running. With --everywhere 1 as well
    when a host has fallen silent, a singleton runs twice or revisions differ, 3 when no host is heard.
    """
    if everywhere:
        if watch or group is not None or worker is not None:
            raise Failure("--everywhere stands alone", Exit.USAGE)
        return _show_everywhere(file, env, as_json)
    from fleet.cli.file.locate import locate

    path, state = locate(file, env)
    if group is not None:
        return _show_why(path, state, group, as_json)
    if worker is not None:
        return _show_stack(path, state, worker, as_json)
    if not watch:
        return _show(path, state, as_json)
    follow(path, state, as_json)
    return Exit.OK


def follow(path: Path, state: StateDir, as_json: bool) -> None:
    """A frame a second until Ctrl-C."""
    while True:
        _show_again(path, state, as_json)
        time.sleep(_REFRESH_SECONDS)


def _show(path: Path, state: StateDir, as_json: bool) -> int:
    from fleet.cli.running.status_source import fetch

    status = fetch(path, state)
    if status is None:
        if as_json:
            click.echo(json.dumps({"fleet": path.parent.name, "state": "stopped", "file": str(path)}))
            return Exit.NOT_RUNNING
        raise Failure(f"the fleet of {path} is not running: `fleet up` starts it", Exit.NOT_RUNNING)
    if as_json:
        click.echo(json.dumps(status, indent=2, ensure_ascii=False))
    else:
        click.echo(_text(status))
    return _EXITS.get(status["state"], Exit.FINDINGS)


def _show_everywhere(file: Path | None, env: str | None, as_json: bool) -> int:
    from fleet.cli.options import terminal_width
    from fleet.cli.running.everywhere import everywhere
    from fleet.cli.views.everywhere import lines
    from fleet.cli.views.status import plain

    said = everywhere(file, env)
    if as_json:
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        paint = _paint if coloured(sys.stdout) else plain
        click.echo("\n".join(lines(all_visible(said), terminal_width(), paint)))
    return {"healthy": Exit.OK, "stopped": Exit.NOT_RUNNING}.get(said["state"], Exit.FINDINGS)


def _show_stack(path: Path, state: StateDir, worker: str, as_json: bool) -> int:
    from urllib.parse import quote

    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
    from fleet.cli.views.stacks import lines
    from fleet.cli.views.status import plain

    try:
        answer = ApiClient(state.api_socket).get(f"/stacks?worker={quote(worker, safe='')}")
    except ControllerUnavailable as error:
        raise Failure(f"can't ask the fleet of {path}: {error}", Exit.NOT_RUNNING) from error
    except ApiError as error:
        raise Failure(str(error), Exit.USAGE) from error
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(all_visible(answer), _paint if coloured(sys.stdout) else plain)))
    return Exit.OK


def _show_why(path: Path, state: StateDir, name: str, as_json: bool) -> int:
    from fleet.cli.options import terminal_width
    from fleet.cli.running.status_source import fetch
    from fleet.cli.views.status import plain
    from fleet.cli.views.why import why
    from fleet.cli.wrap import fold

    status = fetch(path, state)
    if status is None:
        raise Failure(f"the fleet of {path} is not running: `fleet up` starts it", Exit.NOT_RUNNING)
    groups = {group["name"]: group for group in status["groups"]}
    if name not in groups:
        raise Failure(f"there is no worker group {name!r}; there are: {', '.join(groups)}", Exit.USAGE)
    group = groups[name]
    if as_json:
        shown = {key: group.get(key) for key in ("name", "replicas", "override", "scaling")}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        lines = why(all_visible(group), _paint if coloured(sys.stdout) else plain)
        click.echo("\n".join(fold(lines, terminal_width())))
    return Exit.OK


def _show_again(path: Path, state: StateDir, as_json: bool) -> None:
    """One frame; a fleet that is not running (yet) is no reason to end."""
    from fleet.cli.running.status_source import fetch

    status = fetch(path, state)
    if as_json:
        click.echo(json.dumps(status or {"fleet": path.parent.name, "state": "stopped", "file": str(path)}))
        return
    text = _text(status) if status else f"the fleet of {path} is not running"
    # Home, then erase what is left of the frame before: no flicker.
    frame = text.replace("\n", "\x1b[K\n") if sys.stdout.isatty() else text
    click.echo(f"\x1b[H{frame}\x1b[K\n\x1b[J" if sys.stdout.isatty() else frame, nl=not sys.stdout.isatty())


def _text(status: dict[str, Any]) -> str:
    from fleet.cli.options import terminal_width
    from fleet.cli.views.status import lines, plain

    shown = all_visible(status)  # tasks and workers have a word in it
    return "\n".join(lines(shown, terminal_width(), _paint if coloured(sys.stdout) else plain))


def _paint(text: str, role: str) -> str:
    return click.style(text, **_STYLES[role]) if role else text
