"""The dead letters that a verb of `fleet dead` is about: queues by --queue, messages by id or --all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.cli.running.needed import name_a_message
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.broker.dead_letter_browser import DeadLetterBrowser
    from fleet.broker.dead_letter_record import DeadLetterRecord
    from fleet.spec import QueueSpec


@dataclass(frozen=True, slots=True)
class ChosenQueues:
    """The chosen dead-letter queues. `browser` is None when the broker has never been used."""

    browser: DeadLetterBrowser | None
    names: tuple[str, ...]

    def selects(self, record: DeadLetterRecord) -> bool:
        return not self.names or record.queue in self.names or record.dead_letter in self.names

    def oldest(self) -> list[str]:
        """The ids of a few."""
        return [each.id for each in self.browser.look(self.selects, 5)] if self.browser else []

    def total_if(self, known: bool) -> int:
        return self.browser.total() if known and self.browser else 0


def dead_ids(file: Path | None, env: str | None) -> list[str]:
    """As many ids as a person would look at. Raises Failure."""
    with opened(file, env, ()) as dead:
        return dead.oldest()


@contextmanager
def opened(file: Path | None, env: str | None, names: tuple[str, ...]) -> Iterator[ChosenQueues]:
    """Ends with Exit.FINDINGS when the broker can't be reached, Exit.USAGE for an unknown queue."""
    from fleet.broker.dead_letter_browser import DeadLetterBrowser
    from fleet.broker.delivery import BrokerUnavailable, Refused
    from fleet.broker.open import open_dead_letters
    from fleet.cli.file.routing import load_routing

    routing = load_routing(file, env).spec
    dead_letters = _dead_letters(routing.queues, names)
    try:
        connection = open_dead_letters(routing.broker)
        try:
            yield ChosenQueues(
                DeadLetterBrowser(connection, dead_letters, routing.queues) if connection else None, names
            )
        finally:
            if connection:
                connection.close()
    except Refused as error:
        raise Failure(f"the broker did not take it: {error}") from error
    except BrokerUnavailable as error:
        raise Failure(f"the broker can't be reached: {error}") from error


def _dead_letters(queues: tuple[QueueSpec, ...], names: tuple[str, ...]) -> list[str]:
    known = {name for queue in queues for name in (queue.name, queue.dead_letter) if name}
    for name in names:
        if name not in known:
            raise Failure(f"no queue {name!r}; known are {', '.join(sorted(known))}", Exit.USAGE)
    chosen = [
        queue.dead_letter
        for queue in queues
        if queue.dead_letter and (not names or queue.name in names or queue.dead_letter in names)
    ]
    return list(dict.fromkeys(chosen))


class Choice:
    """Which dead messages are meant: those of the ids, or all; remembers which ids it has met."""

    def __init__(self, chosen: ChosenQueues, idents: tuple[str, ...], everything: bool) -> None:
        if everything and idents:
            raise Failure("say which: ids, or --all, not both", Exit.USAGE)
        if not everything and not idents:
            raise Failure(name_a_message("dead", chosen.oldest(), "all of them by --all"), Exit.USAGE)
        self._chosen = chosen
        self._missing = dict.fromkeys(idents)
        self._idents = frozenset(idents)

    def __call__(self, record: DeadLetterRecord) -> bool:
        if not self._chosen.selects(record) or (self._idents and record.id not in self._idents):
            return False
        self._missing.pop(record.id, None)
        return True

    def not_found(self) -> list[str]:
        return list(self._missing)

    def tell_not_found(self) -> None:
        for ident in self._missing:
            click.echo(visible(f"{ident}: no dead message with this id"), err=True)
