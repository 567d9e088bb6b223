"""The schedules of `fleet top`: their rows, a timeline of the next day, and all of one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.cli.screen.columns import WIDE
from fleet.cli.screen.model import Answered, Model, Row
from fleet.cli.screen.paint import paint
from fleet.cli.screen.words import ago, moment
from fleet.cli.views.schedules import remark, schedule_columns
from fleet.cli.views.text_table import Column
from fleet.duration_words import measured

_CELLS = 24


def schedules(known: Answered) -> list[Row]:
    at = (known.answers.get("schedules") or {}).get("at") or 0.0
    return [{**each, "key": each["name"], "at": at} for each in known.answer("schedules", "schedules")]


def clock_columns(width: int) -> list[Column]:
    """The timeline is what a narrow terminal loses."""
    found = schedule_columns(lambda row: row["at"])
    return [*found, Column("NEXT 24 H", timeline)] if width >= WIDE else found


def timeline(row: Row) -> str:
    """A cell an hour, with a bar where it runs."""
    hours = set(row["next_hours"])
    return "".join("|" if hour in hours else "·" for hour in range(_CELLS))


def schedule_details(model: Model, row: Row) -> Iterator[str]:
    zone = "" if row["when"].startswith("every") else f" ({row['timezone']})"
    yield f"{paint(row['name'], 'head')} sends {row['task']}: {row['when']}{zone}"
    if said := remark(row):
        yield f"  {said}"
    last = row["last"]
    if last is None:
        yield "  has not run yet"
    else:
        yield f"  last run {ago(last['sent_at'], model.now)}, {measured(last['late_seconds'])} late: {last['outcome']}"
        yield f"  took {measured(last['seconds'])}, id {last['id']}"
    yield f"  last success: {ago(row['succeeded_at'], model.now) if row['succeeded_at'] else 'none is known'}"
    yield ""
    yield paint("Next runs (UTC)", "head")
    for each in row["next"]:
        yield f"  {each[:10]} {each[11:19]}  in {measured(max(0.0, moment(each) - model.now))}"
    if not row["next"]:
        yield "  none"
