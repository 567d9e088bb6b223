"""Which dead messages a verb of `fleet dead` is about: queues by --queue, messages by id or --all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.broker.graves.epitaph import Epitaph
    from fleet.broker.graves.sifting import Sifting
    from fleet.spec import QueueSpec


@dataclass(frozen=True, slots=True)
class Yard:
    """The chosen dead-letter queues. `sifting` is None when the broker has never been used."""

    sifting: Sifting | None
    names: tuple[str, ...]

    def selects(self, epitaph: Epitaph) -> bool:
        return not self.names or epitaph.queue in self.names or epitaph.dead_letter in self.names

    def total_if(self, known: bool) -> int:
        return self.sifting.total() if known and self.sifting else 0


@contextmanager
def opened(file: Path | None, env: str | None, names: tuple[str, ...]) -> Iterator[Yard]:
    """Ends with Exit.FINDINGS when the broker can't be reached, Exit.USAGE for an unknown queue."""
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.graves import open_graves
    from fleet.broker.graves.sifting import Sifting
    from fleet.cli.routing import load_routing

    routing = load_routing(file, env).spec
    dead_letters = _dead_letters(routing.queues, names)
    try:
        graves = open_graves(routing.broker)
        try:
            yield Yard(Sifting(graves, dead_letters, routing.queues) if graves else None, names)
        finally:
            if graves:
                graves.close()
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

    def __init__(self, yard: Yard, idents: tuple[str, ...], everything: bool) -> None:
        if everything == bool(idents):
            raise Failure("say which: ids (see `fleet dead list`), or --all", Exit.USAGE)
        self._yard = yard
        self._missing = dict.fromkeys(idents)
        self._idents = frozenset(idents)

    def __call__(self, epitaph: Epitaph) -> bool:
        if not self._yard.selects(epitaph) or (self._idents and epitaph.id not in self._idents):
            return False
        self._missing.pop(epitaph.id, None)
        return True

    def not_found(self) -> list[str]:
        return list(self._missing)

    def tell_not_found(self) -> None:
        for ident in self._missing:
            click.echo(f"{ident}: no dead message with this id", err=True)
