"""The first screen of `fleet top`: is work waiting, why, what did we change. Pure.

Reasons and what to do come first, so that a small terminal cuts off tables and not them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.cli.screen.columns import queue_columns
from fleet.cli.screen.listing import LISTINGS
from fleet.cli.screen.model import QUEUES, Answered, Model
from fleet.cli.screen.paint import paint
from fleet.cli.screen.words import ago, clock, error_line, moment
from fleet.cli.views.status import group_table, verdict, wrong
from fleet.cli.views.text_table import table
from fleet.cli.wrap import fold

_MOST_ERRORS = 5
_CHANGES = ("scale", "drain", "pause", "resume", "restart", "reload")


def overview(model: Model) -> Iterator[str]:
    status = model.known.answers["status"]
    yield from fold(verdict(status, model.width, paint), model.width)
    yield from fold(_alerts(model.known), model.width)
    yield from wrong(status, model.width, paint)
    if queues := LISTINGS[QUEUES].rows(model.known):
        yield ""
        yield from table(queue_columns(model.width), queues, model.width, paint)
    if status["groups"]:
        yield ""
        yield from group_table(status, model.width, paint)
    yield from _errors(model)
    yield from _last_change(model)


def _alerts(known: Answered) -> Iterator[str]:
    for each in known.answer("alerts", "firing"):
        yield f"  {paint('!', 'bad')} {each.get('summary') or each['alert']}"
        if each.get("remedy"):
            yield f"    {each['remedy']}"


def new_errors(known: Answered) -> list[dict[str, Any]]:
    """The errors that were not there before the file in force was loaded."""
    loaded = moment(known.answers["status"]["config"]["loaded_at"])
    return [each for each in known.answer("errors", "errors") if loaded and each["first_at"] >= loaded]


def _errors(model: Model) -> Iterator[str]:
    found = new_errors(model.known)
    if not found:
        return
    loaded = clock(model.known.answers["status"]["config"]["loaded_at"])
    yield ""
    yield paint(f"New errors since the file was loaded ({loaded}); 5 shows them:", "bad")
    for each in found[:_MOST_ERRORS]:
        yield f"  {each['example']['task']}: {error_line(each, model.now)}"
    if len(found) > _MOST_ERRORS:
        yield f"  and {len(found) - _MOST_ERRORS} more kinds"


def _last_change(model: Model) -> Iterator[str]:
    """By an edit, or by what somebody told the fleet."""
    for event in model.known.answer("events", "events"):
        if (event.get("audit") or {}).get("verb") in _CHANGES or " accepted: " in event.get("message", ""):
            yield ""
            yield from fold(
                [f"Last change, {ago(event['at'], model.now)}: {event.get('message', '')}"], model.width
            )
            return
