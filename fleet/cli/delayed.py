"""`fleet delayed`: messages that are not due yet, and a way to cancel one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option
from fleet.cli.running.needed import Needed, name_a_message
from fleet.visible import all_visible, visible

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(short_help="List or cancel messages that are not due yet.")
def command() -> None:
    """Delayed messages: sent with a delay, or waiting for their next retry."""


def common(function: Function) -> Function:
    """-f, --env, --json, --queue."""
    queue = click.option(
        "--queue", "names", multiple=True, metavar="QUEUE", help="Only of this; may be repeated."
    )
    return file_option(env_option(json_option(queue(function))))


@command.command("list", short_help="The next that are due.")
@click.option("--limit", type=AtLeast(1), default=50, show_default=True, help="Show that many.")
@common
def list_them(
    *, limit: int, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """The messages that are due next, with when that is. RabbitMQ can't say."""
    from fleet.broker.delayed import list_delayed

    with _asked(file, env, names) as (routing, queues):
        found = list_delayed(routing, queues, limit)
    if as_json:
        click.echo(json.dumps(found._asdict(), indent=2))
    elif found.said is not None:
        raise Failure(found.said, Exit.FINDINGS)
    elif not found.messages:
        click.echo("no delayed messages")
    else:
        for each in all_visible(found.messages):
            due = datetime.fromtimestamp(each["due_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            retry = f" (retry {each['headers']['retries']})" if each["headers"]["retries"] else ""
            click.echo(f"{due}  {each['queue']}  {each['task']}  {each['id']}{retry}")
        if found.total is not None and found.total > len(found.messages):
            click.echo(f"{len(found.messages)} shown; {found.total} in all: --limit shows more", err=True)
    return Exit.OK


def _next_ids(file: Path | None, env: str | None) -> list[str]:
    from fleet.broker.delayed import list_delayed

    with _asked(file, env, ()) as (routing, queues):
        found = list_delayed(routing, queues, 5)
    if found.said is not None:
        raise Failure(f"name a delayed message by its id; {found.said}", Exit.USAGE)
    return [each["id"] for each in found.messages]


@command.command("cancel", short_help="Delete one for good.")
@click.argument(
    "ident",
    cls=Needed,
    names=_next_ids,
    sentence=partial(name_a_message, "delayed"),
    completed_by=None,
    metavar="ID",
)
@common
def cancel_one(
    *, ident: str, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """Delete the delayed message with this id for good. One that has come due meanwhile runs."""
    from fleet.broker.delayed import cancel
    from fleet.cli.running.audit import note

    with _asked(file, env, names) as (routing, queues):
        try:
            queue = cancel(routing, queues, ident)
        except ValueError as error:
            raise Failure(str(error), Exit.FINDINGS) from error
    if queue is None:
        raise Failure(f"{visible(ident)}: no delayed message with this id (any more)", Exit.FINDINGS)
    note(file, env, "cancel", f"cancelled {ident} of queue {queue}", ids=[ident], queue=queue)
    click.echo(json.dumps({"cancelled": ident, "queue": queue}) if as_json else f"cancelled {visible(ident)}")
    return Exit.OK


@contextmanager
def _asked(file: Path | None, env: str | None, names: tuple[str, ...]) -> Iterator[tuple[Any, list[str]]]:
    """What is declared, and the queues that are meant. Raises Failure, also for a broker that is not there."""
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.cli.file.routing import load_routing

    routing = load_routing(file, env).spec
    known = [queue.name for queue in routing.queues]
    if unknown := [name for name in names if name not in known]:
        raise Failure(f"no queue {unknown[0]!r}; known are {', '.join(sorted(known))}", Exit.USAGE)
    try:
        yield routing, [name for name in known if not names or name in names]
    except BrokerUnavailable as error:
        raise Failure(f"the broker can't be reached: {error}") from error
