"""`fleet dead`: look at the dead-letter queues, bring messages back, throw them away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option, file_option, json_option
from fleet.cli.running.dead_choice import Choice, ChosenQueues, dead_ids, opened
from fleet.cli.running.needed import Needed, name_a_message
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.broker.dead_letter_record import DeadLetterRecord

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(short_help="List, show, retry or delete messages that failed for good.")
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


_reveal = click.option(
    "--reveal", is_flag=True, help="Show also arguments with names like a password's, which are masked else."
)


@command.command("list")
@click.option("--limit", type=AtLeast(1), default=50, show_default=True, help="Show that many.")
@_reveal
@common
def list_dead(
    *, limit: int, reveal: bool, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """The oldest dead messages of each queue, and why they died."""
    from fleet.cli.views.dead import as_dict, as_table

    with opened(file, env, names) as dead:
        total = dead.browser.total() if dead.browser else 0
        found = dead.browser.look(dead.selects, limit) if dead.browser else []
    if as_json:
        messages = [as_dict(each, reveal=reveal) for each in found]
        click.echo(json.dumps({"total": total, "messages": messages}, indent=2))
    elif not found:
        click.echo("no dead messages")
    else:
        click.echo("\n".join(as_table(found)))
        if len(found) == limit and total > limit:
            click.echo(f"{limit} shown; {total} in all: --limit shows more", err=True)
    return Exit.OK


@command.command("show", short_help="All about one dead message: arguments, reason, traceback.")
@click.argument(
    "ident",
    cls=Needed,
    names=dead_ids,
    sentence=partial(name_a_message, "dead"),
    completed_by=None,
    metavar="ID",
)
@_reveal
@common
def show_dead(
    *, ident: str, reveal: bool, names: tuple[str, ...], file: Path | None, env: str | None, as_json: bool
) -> int:
    """All about the dead message ID: arguments, reason, traceback, worker. A part of the id will do."""
    from fleet.cli.views.dead import as_dict, as_text

    with opened(file, env, names) as dead:
        found = _with_id(dead, ident)
    if not found:
        raise Failure(f"no dead message with id {ident}: `fleet dead list` shows them")
    if len({record.id for record in found}) > 1:
        raise Failure(f"{ident!r} is part of several ids, {found[0].id} and {found[1].id} among them")
    shown = as_dict(found[0], reveal=reveal) if as_json else as_text(found[0], reveal=reveal)
    click.echo(json.dumps(shown, indent=2) if as_json else shown)
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
    homeless: list[DeadLetterRecord] = []  # the first ten: there may be very many
    staying: list[str] = []
    with opened(file, env, names) as dead:
        choice = Choice(dead, idents, everything)
        progress = Progress("sent back", dead.total_if(everything))
        chosen = _Chosen("dead-retry", file, env, idents, names)
        with _noted("sent back", chosen) as counts:
            for moved, left in dead.browser.bring_back(choice) if dead.browser else ():
                homeless += left[: 10 - len(homeless)]
                staying += [record.id for record in left]
                progress.add(moved)
                counts.append(moved)
    if as_json:
        ids = {"not_found": choice.not_found(), "stay": staying}
        click.echo(json.dumps({"retried": progress.count, **ids}, indent=2))
    else:
        click.echo(f"sent back {messages(progress.count)}")
    for record in homeless:
        where = f"queue {record.queue!r} is not declared any more" if record.queue else "from which queue?"
        click.echo(visible(f"{record.id} stays in {record.dead_letter}: {where}"), err=True)
    choice.tell_not_found()
    return Exit.FINDINGS if staying or choice.not_found() else Exit.OK


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
    with opened(file, env, names) as dead:
        choice = Choice(dead, idents, everything)
        if not yes:
            _ask(f"delete {messages(dead.total_if(True) if everything else len(idents))} for ever?")
        progress = Progress("deleted", dead.total_if(everything))
        with _noted("deleted", _Chosen("dead-purge", file, env, idents, names)) as counts:
            for dropped in dead.browser.drop(choice) if dead.browser else ():
                progress.add(dropped)
                counts.append(dropped)
    if as_json:
        click.echo(json.dumps({"purged": progress.count, "not_found": choice.not_found()}, indent=2))
    else:
        click.echo(f"deleted {messages(progress.count)}")
    choice.tell_not_found()
    return Exit.FINDINGS if choice.not_found() else Exit.OK


@command.command("adopt-unacked")
@click.option("--yes", is_flag=True, help="Don't ask.")
@file_option
@env_option
@json_option
def adopt_unacked(*, yes: bool, file: Path | None, env: str | None, as_json: bool) -> int:
    """Put back what killed Celery workers held on Redis.

    They keep it in a hash of their own, where no worker of fleet looks. End every `celery worker` of this broker first:
    what a living one holds would run twice. Asks first, and needs --yes where nobody can be asked. Exit code 1: some
    stay, for this fleet does not have their queues.
    """
    from fleet.cli.running.unacked_adoption import adopt

    def ask(count: int) -> None:
        if not yes:
            _ask(f"no `celery worker` runs any more, and {messages(count)} are to go back?")

    found = adopt(file, env, ask)
    if as_json:
        click.echo(json.dumps({"adopted": found.adopted, "staying": found.staying}, indent=2))
    else:
        click.echo(f"put back {messages(found.adopted)}")
    for queue, count in found.staying.items():
        where = f"queue {queue!r} is not declared" if queue else "they can't be read"
        click.echo(visible(f"{messages(count)} stay: {where}"), err=True)
    return Exit.FINDINGS if found.staying else Exit.OK


def _with_id(dead: ChosenQueues, ident: str) -> list[DeadLetterRecord]:
    """The one of that id, or the first two that have it as a part: the whole id spares a look at all others."""
    found: list[DeadLetterRecord] = []
    if dead.browser is None:
        return found
    with closing(dead.browser.scan()) as records:
        for record in records:
            if dead.selects(record) and ident in record.id:
                if record.id == ident:
                    return [record]
                found.append(record)
                if len(found) == 2:
                    break
    return found


@contextmanager
def _noted(done: str, chosen: _Chosen) -> Iterator[list[int]]:
    """Collects how many messages were dealt with, and notes it, however it ends: half of it done is done, too."""
    from fleet.cli.running.audit import MOST_IDS, note

    counts: list[int] = []
    try:
        yield counts
    finally:
        which = {"ids": list(chosen.idents[:MOST_IDS])} if chosen.idents else {"all": True}
        outcome = f"{done} {messages(sum(counts))}"
        note(chosen.file, chosen.env, chosen.verb, outcome, **which, queues=list(chosen.names))


class _Chosen(NamedTuple):
    """What a command is about, as it was given."""

    verb: str
    file: Path | None
    env: str | None
    idents: tuple[str, ...]
    names: tuple[str, ...]


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
