"""Dead messages as a table, as a page, and as JSON. Pure but for the clock and the terminal's width."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any

from fleet.cli.file.loading import terminal_width
from fleet.cli.views.text_table import Column, table
from fleet.duration_words import measured
from fleet.masked_values import masked
from fleet.visible import all_visible, visible, visible_lines

if TYPE_CHECKING:
    from fleet.broker.dead_letter_record import DeadLetterRecord


_MASK = "***"


def as_dict(record: DeadLetterRecord, *, reveal: bool = False) -> dict[str, Any]:
    """Secrets among the arguments are masked, unless they are to be revealed."""
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "dead_letter": record.dead_letter,
        "reason": record.reason,
        "exit_signal": record.exit_signal,
        "worker": record.worker,
        "died_at": _iso(record.at),
        "delivery": record.attempt,
        "retries": record.retries,
        "args": record.args if reveal else masked(record.args, _MASK),
        "kwargs": record.kwargs if reveal else masked(record.kwargs, _MASK),
        "traceback": record.traceback,
    }


def as_table(records: Sequence[DeadLetterRecord]) -> Iterator[str]:
    """A line each; where the terminal is too narrow for all reasons, they follow whole on lines of their own."""
    now, width = time.time(), terminal_width()
    columns = [
        Column("ID", lambda row: row["id"]),
        Column("TASK", lambda row: row["task"], shrinks=True),
        Column("DIED IN", lambda row: row["queue"] or "?"),
        Column("AGO", lambda row: measured(row["at"] and max(0.0, now - row["at"])), right=True),
    ]
    rows = all_visible(
        [
            {"id": each.id, "task": each.task, "queue": each.queue, "at": each.at, "reason": each.reason}
            for each in records
        ]
    )
    beside = list(table([*columns, Column("REASON", lambda row: row["reason"])], rows, sys.maxsize, _plain))
    if max(map(len, beside)) <= width:
        yield from beside
        return
    titles, *lines = table(columns, rows, width, _plain)
    yield titles
    for line, row in zip(lines, rows, strict=True):
        yield line
        yield from wrap(row["reason"], width, initial_indent="    ", subsequent_indent="    ")


def _plain(text: str, _role: str) -> str:
    return text


def as_text(record: DeadLetterRecord, *, reveal: bool = False) -> str:
    """The same as `as_dict` gives, for people."""
    args, kwargs = (given if reveal else masked(given, _MASK) for given in (record.args, record.kwargs))
    lines = {
        "id": record.id,
        "task": record.task,
        "queue": f"{record.queue or 'unknown'}, now in {record.dead_letter}",
        "died": _when(record),
        "reason": record.reason,
        "args": "can't be read" if args is None else json.dumps(args, ensure_ascii=False),
        "kwargs": json.dumps(kwargs, ensure_ascii=False) if kwargs else "",
    }
    page = "\n".join(f"{name:<7} {visible(value)}" for name, value in lines.items() if value)
    trace = visible_lines(record.traceback.rstrip()) if record.traceback else ""
    return f"{page}\n\n{indent(trace, '  ')}" if trace else page


def _when(record: DeadLetterRecord) -> str:
    parts = [_iso(record.at) or ""]
    if record.worker:
        parts.append(f"on {record.worker}")
    if record.attempt:
        parts.append(f"delivery {record.attempt}")
    if record.retries:
        parts.append(f"after {record.retries} retries")
    if record.exit_signal:
        parts.append(f"killed by {_signal_name(record.exit_signal)}")
    return ", ".join(filter(None, parts))


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def _iso(at: float | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
