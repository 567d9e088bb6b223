"""`fleet dead`: look at the dead-letter queues, bring messages back, throw them away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.cli.dead_choice import Choice, opened
from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option

if TYPE_CHECKING:
    from fleet.broker.graves.epitaph import Epitaph

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """The dead-letter queues: messages that failed for good, or killed their workers too often."""


def common(function: Function) -> Function:
    """-f, --env, --json, --queue: what all verbs of `dead` take."""
    queue = click.option(
        "--queue",
        "names",
        multiple=True,
        metavar="QUEUE",
        help="Only messages that died in QUEUE, or lie in the dead-letter queue QUEUE. May be given again.",
    )
    return file_option(env_option(json_option(queue(function))))


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show that many.")
@common
def list_dead(
    *, limit: int, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """The oldest dead messages of each queue, and why they died."""
    from fleet.cli.dead_view import as_dict, as_table

    with opened(file, env, names) as yard:
        total = yard.sifting.total() if yard.sifting else 0
        found = yard.sifting.look(yard.selects, limit) if yard.sifting else []
    if as_json:
        messages = [as_dict(each) for each in found]
        click.echo(json.dumps({"total": total, "messages": messages}, indent=2))
    elif not found:
        click.echo("no dead messages")
    else:
        click.echo("\n".join(as_table(found)))
        if len(found) == limit and total > limit:
            click.echo(f"{limit} shown; {total} in all: --limit shows more", err=True)
    return Exit.OK


@command.command("show")
@click.argument("ident", metavar="ID")
@common
def show_dead(
    *, ident: str, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """All about the dead message ID: arguments, reason, traceback, worker. A part of the id will do."""
    from fleet.cli.dead_view import as_dict, as_text

    def meant(epitaph: Epitaph) -> bool:
        return yard.selects(epitaph) and ident in epitaph.id

    with opened(file, env, names) as yard:
        found = yard.sifting.look(meant, 2) if yard.sifting else []
    if not found:
        raise Failure(f"no dead message with id {ident}: `fleet dead list` shows them")
    if len({epitaph.id for epitaph in found}) > 1:
        raise Failure(f"{ident!r} is part of several ids, {found[0].id} and {found[1].id} among them")
    click.echo(json.dumps(as_dict(found[0]), indent=2) if as_json else as_text(found[0]))
    return Exit.OK


@command.command("retry")
@click.argument("idents", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead messages, or all that --queue chooses.")
@common
def retry_dead(
    *,
    idents: tuple[str, ...],
    everything: bool,
    names: tuple[str, ...],
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Send dead messages back to the queues where they died.

    Each is on its queue, confirmed, before it leaves the dead-letter queue: none is lost. Retries and
    deliveries are counted anew, and `expires` no longer holds. Exit code 1: some could not be sent back.
    """
    homeless: list[Epitaph] = []
    with opened(file, env, names) as yard:
        choice = Choice(yard, idents, everything)
        progress = Progress("sent back", yard.total_if(everything))
        for moved, left in yard.sifting.bring_back(choice) if yard.sifting else ():
            homeless += left
            progress.add(moved)
    if as_json:
        ids = {"not_found": choice.not_found(), "stay": [epitaph.id for epitaph in homeless]}
        click.echo(json.dumps({"retried": progress.count, **ids}, indent=2))
    else:
        click.echo(f"sent back {messages(progress.count)}")
    for epitaph in homeless[:10]:
        where = f"queue {epitaph.queue!r} is not declared any more" if epitaph.queue else "from which queue?"
        click.echo(f"{epitaph.id} stays in {epitaph.dead_letter}: {where}", err=True)
    choice.tell_not_found()
    return Exit.FINDINGS if homeless or choice.not_found() else Exit.OK


@command.command("purge")
@click.argument("idents", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead messages, or all that --queue chooses.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@common
def purge_dead(
    *,
    idents: tuple[str, ...],
    everything: bool,
    yes: bool,
    names: tuple[str, ...],
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Delete dead messages for ever. Asks first, and needs --yes where nobody can be asked."""
    with opened(file, env, names) as yard:
        choice = Choice(yard, idents, everything)
        if not yes:
            _ask(f"delete {messages(yard.total_if(True) if everything else len(idents))} for ever?")
        progress = Progress("deleted", yard.total_if(everything))
        for dropped in yard.sifting.drop(choice) if yard.sifting else ():
            progress.add(dropped)
    if as_json:
        click.echo(json.dumps({"purged": progress.count, "not_found": choice.not_found()}, indent=2))
    else:
        click.echo(f"deleted {messages(progress.count)}")
    choice.tell_not_found()
    return Exit.FINDINGS if choice.not_found() else Exit.OK


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Failure(f"{question} Say --yes", Exit.USAGE)
    click.confirm(question, abort=True, err=True)


def messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


class Progress:
    """A count that a person can watch, on a terminal."""

    def __init__(self, done: str, total: int) -> None:
        self.count = 0
        self._done = done
        self._total = total
        self._shown = sys.stderr.isatty()

    def add(self, count: int) -> None:
        self.count += count
        if self._shown and self._total:
            end = "\n" if self.count >= self._total else ""
            click.echo(f"\r{self._done} {self.count:,} of {self._total:,}{end}", err=True, nl=False)
