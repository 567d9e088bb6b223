"""The commands to a running fleet, as the verbs share them: ask its controller, and say what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, echo_folded
from fleet.cli.running.needed import groups, listed, queues
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.statedir import StateDir

Function = TypeVar("Function", bound=Callable[..., Any])

_WORD_SECONDS = 1.0


def for_option(function: Function) -> Function:
    """--for as `lasting`."""
    return click.option(
        "--for", "lasting", metavar="TIME", help='End it by itself after this time, as in "1h".'
    )(function)


def reason_option(function: Function) -> Function:
    """--reason as `reason`."""
    return click.option("--reason", metavar="TEXT", help="Why; `fleet status` shows it.")(function)


def queue_option(function: Function) -> Function:
    """--queue as `queue`."""
    return click.option("--queue", metavar="Q", help="A queue, for all groups, instead of a group.")(function)


def group_or_queue(
    group: str | None, queue: str | None, file: Path | None, env: str | None
) -> dict[str, Any]:
    """Raises Failure unless it is exactly one of them."""
    if group is None and queue is None:
        there = f"{listed('groups', groups(file, env))}; {listed('queues', queues(file, env))}"
        raise Failure(f"name a worker group, or a queue with --queue; {there}", Exit.USAGE)
    if group is not None and queue is not None:
        raise Failure("name a worker group, or a queue with --queue, not both", Exit.USAGE)
    return {"group": group} if queue is None else {"queue": queue}


def duration(text: str | None) -> float | None:
    """In seconds. Raises Failure."""
    from fleet.config.units import parse_duration

    if text is None:
        return None
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise Failure(f'--for {text}: expected a time, as in "30s", "15m" or "1h"', Exit.USAGE)
    return seconds


def tell(verb: str, file: Path | None, env: str | None, as_json: bool, **arguments: Any) -> int:
    """Have a command of the controller done, and print what was done. Raises Failure."""
    return post(f"/commands/{verb}", file, env, as_json, **arguments)


def post(url_path: str, file: Path | None, env: str | None, as_json: bool, **arguments: Any) -> int:
    """As `tell`, of anything that the controller's API does. Raises Failure."""
    from fleet.cli.file.locate import locate
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable

    path, state = locate(file, env)
    try:
        answer = ApiClient(state.api_socket).post(url_path, arguments)
    except ControllerUnavailable:
        raise unanswered(path, state) from None
    except ApiError as error:
        raise Failure(str(error)) from error
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else visible(answer["outcome"]))
    failed = answer.get("failed") or []  # a controller older than this command says nothing of it
    for each in failed if not as_json else ():
        echo_folded(visible(f"Error: {each}"), sys.stderr)
    return Exit.FINDINGS if failed else Exit.OK


def leave_word(state: StateDir, verb: str, **arguments: Any) -> None:
    """For the event log, of what the supervisor is about to be told: best effort, and soon over."""
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable

    with suppress(ControllerUnavailable, ApiError):
        ApiClient(state.api_socket).post(f"/commands/{verb}", arguments, seconds=_WORD_SECONDS)


def watch(
    path: Path, state: StateDir, where: str, arguments: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """What the controller tells until it is done. Raises Failure when it does not answer."""
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable

    try:
        yield from ApiClient(state.api_socket).stream("POST", where, arguments)
    except ControllerUnavailable:
        raise unanswered(path, state) from None
    except ApiError as error:
        raise Failure(str(error)) from error


def unanswered(path: Path, state: StateDir) -> Failure:
    from fleet.supervisor import lock

    if lock.holder(state) is None:
        return Failure(f"the fleet of {path} is not running: `fleet up` starts it", Exit.NOT_RUNNING)
    return Failure("the controller does not answer; it is restarted by itself, try again")
