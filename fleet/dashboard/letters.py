"""Dead letters as the page shows them: a page of those that a filter chooses, and how far was looked. Blocks."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fleet.broker.dead_letter_browser import DeadLetterBrowser
from fleet.broker.dead_letter_record import DeadLetterRecord
from fleet.broker.delivery import Delivery
from fleet.broker.open import open_dead_letters
from fleet.protocol import decode
from fleet.protocol.fields import NO_CANVAS
from fleet.protocol.payload import dumps
from fleet.spec import RoutingSpec

WINDOW = 10_000
_LOOK_SECONDS = 0.6  # an answer is there within a second
_MOST_GROUPS = 50
_MOST_IDS = 1000


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are meant: all that fit every part of it. `error` is what is before the reason's colon."""

    queue: str | None = None
    task: str | None = None
    error: str | None = None
    ids: tuple[str, ...] = ()
    text: str | None = None  # anywhere in its id, task or reason
    older_seconds: float | None = None

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> LetterFilter:
        """From JSON or a query. Raises ValueError."""
        ids, older = asked.get("ids") or (), asked.get("older_seconds")
        is_list = isinstance(ids, list | tuple) and all(isinstance(each, str) for each in ids)
        if not is_list or len(ids) > _MOST_IDS:
            raise ValueError(f"ids: expected a list of at most {_MOST_IDS} texts")
        texts = {name: _text(name, asked.get(name)) for name in ("queue", "task", "error", "text")}
        try:
            seconds = None if older in (None, "") else float(str(older))
        except ValueError:
            seconds = math.nan
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            # Not a number is neither more nor less than any age: every letter would be meant.
            raise ValueError(f"older_seconds: expected a number, 0 or more, got {older!r}")
        return cls(**texts, ids=tuple(ids), older_seconds=seconds)

    def chooses(self, letter: DeadLetterRecord, now: float) -> bool:
        if self.ids and letter.id not in self.ids:
            return False
        if self.queue is not None and self.queue != (letter.queue or ""):
            return False
        if self.task is not None and self.task != letter.task:
            return False
        if self.error is not None and self.error != letter.error:
            return False
        if self.older_seconds is not None and now - (letter.at or 0.0) < self.older_seconds:
            return False
        text = (self.text or "").casefold()
        return not text or any(text in each.casefold() for each in (letter.id, letter.task, letter.reason))

    def to_dict(self) -> dict[str, Any]:
        """What it says, for the audit."""
        return {name: value for name, value in asdict(self).items() if value not in (None, (), "")}


def _text(name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a text, got {value!r}")
    return value


@contextmanager
def opened(routing_file: Path, batch: int = 500) -> Iterator[tuple[DeadLetterBrowser | None, RoutingSpec]]:
    """None when the broker has never been used. Raises BrokerUnavailable, OSError, ValueError."""
    routing = RoutingSpec.from_json(routing_file.read_text(encoding="utf-8"))
    names = list(dict.fromkeys(queue.dead_letter for queue in routing.queues if queue.dead_letter))
    connection = open_dead_letters(routing.broker)
    if connection is None:
        yield None, routing
        return
    try:
        yield DeadLetterBrowser(connection, names, routing.queues, batch=batch), routing
    finally:
        connection.close()


def page(routing_file: Path, wanted: LetterFilter, offset: int, limit: int) -> dict[str, Any]:
    """`limit` letters after `offset` of those chosen; groups of all that were examined. As `opened`."""
    groups: Counter[tuple[str, str, str]] = Counter()
    found: list[DeadLetterRecord] = []
    examined = matching = total = 0
    with opened(routing_file) as (browser, _):
        if browser is not None:
            now, until, total = time.time(), time.monotonic() + _LOOK_SECONDS, browser.total()
            with closing(browser.scan()) as letters:
                for letter in letters:
                    examined += 1
                    if wanted.chooses(letter, now):
                        matching += 1
                        groups[letter.queue or "", letter.task, letter.error] += 1
                        if matching > offset and len(found) < limit:
                            found.append(letter)
                    if examined >= WINDOW or (examined >= offset + limit and time.monotonic() > until):
                        break
    return {
        "total": total,
        "examined": examined,
        "matching": matching,
        "groups": [
            {"queue": queue, "task": task, "error": error, "times": times}
            for (queue, task, error), times in groups.most_common(_MOST_GROUPS)
        ],
        "messages": [brief(letter) for letter in found],
    }


def one(routing_file: Path, ident: str) -> dict[str, Any] | None:
    """All about the letter with that id, as far as is looked. As `opened`."""
    until = time.monotonic() + 5 * _LOOK_SECONDS
    with opened(routing_file) as (browser, _):
        if browser is not None:
            with closing(browser.scan()) as letters:
                for letter in letters:
                    if letter.id == ident:
                        return asdict(letter)
                    if time.monotonic() > until:
                        break
    return None


def brief(letter: DeadLetterRecord) -> dict[str, Any]:
    """For a line of a list."""
    return {
        "id": letter.id,
        "task": letter.task,
        "queue": letter.queue,
        "reason": letter.reason[:500],
        "worker": letter.worker,
        "at": letter.at,
        "retries": letter.retries,
        "args": _short(letter.args),
        "kwargs": _short(letter.kwargs),
    }


def _short(value: Any) -> Any:
    """Nothing for a list that could be megabytes; the letter's own page has it."""
    return value if value is not None and len(repr(value)) <= 2000 else None


def with_arguments(delivery: Delivery, args: list[Any], kwargs: dict[str, Any]) -> Delivery:
    """The same message, called with others. Raises MalformedMessage, a ValueError, for one that can't be read."""
    call = decode(delivery, accept=("json",))
    body = dumps([args, kwargs, NO_CANVAS])
    said = {
        "id": call.id,
        "task": call.task,
        "argsrepr": repr(args)[:1024],
        "kwargsrepr": repr(kwargs)[:1024],
    }
    headers = {name: value for name, value in delivery.headers.items() if name != "compression"}
    return replace(
        delivery,
        body=body.encode(),
        headers={**headers, **said},
        content_type="application/json",
        content_encoding="utf-8",
    )
