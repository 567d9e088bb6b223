"""Dead messages as a table, as a page, and as JSON. Pure but for the clock and the terminal's width."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from textwrap import indent
from typing import TYPE_CHECKING, Any

from fleet.cli.loading import terminal_width
from fleet.cli.status_table import Column, duration, table

if TYPE_CHECKING:
    from fleet.broker.graves.epitaph import Epitaph


def as_dict(epitaph: Epitaph) -> dict[str, Any]:
    return {
        "id": epitaph.id,
        "task": epitaph.task,
        "queue": epitaph.queue,
        "dead_letter": epitaph.dead_letter,
        "reason": epitaph.reason,
        "exit_signal": epitaph.exit_signal,
        "worker": epitaph.worker,
        "died_at": _iso(epitaph.at),
        "delivery": epitaph.attempt,
        "retries": epitaph.retries,
        "args": epitaph.args,
        "kwargs": epitaph.kwargs,
        "traceback": epitaph.traceback,
    }


def as_table(epitaphs: Sequence[Epitaph]) -> Iterator[str]:
    now = time.time()
    columns = [
        Column("ID", lambda row: row["id"]),
        Column("TASK", lambda row: row["task"]),
        Column("DIED IN", lambda row: row["queue"] or "?"),
        Column("AGO", lambda row: duration(row["at"] and max(0.0, now - row["at"])), right=True),
        Column("REASON", lambda row: row["reason"], shrinks=True),
    ]
    rows = [
        {"id": each.id, "task": each.task, "queue": each.queue, "at": each.at, "reason": each.reason}
        for each in epitaphs
    ]
    return table(columns, rows, terminal_width(), lambda text, _role: text)


def as_text(epitaph: Epitaph) -> str:
    lines = {
        "id": epitaph.id,
        "task": epitaph.task,
        "queue": f"{epitaph.queue or 'unknown'}, now in {epitaph.dead_letter}",
        "died": _when(epitaph),
        "reason": epitaph.reason,
        "args": "can't be read" if epitaph.args is None else json.dumps(epitaph.args, ensure_ascii=False),
        "kwargs": json.dumps(epitaph.kwargs, ensure_ascii=False) if epitaph.kwargs else "",
    }
    page = "\n".join(f"{name:<7} {value}" for name, value in lines.items() if value)
    return f"{page}\n\n{indent(epitaph.traceback.rstrip(), '  ')}" if epitaph.traceback else page


def _when(epitaph: Epitaph) -> str:
    parts = [_iso(epitaph.at) or ""]
    if epitaph.worker:
        parts.append(f"on {epitaph.worker}")
    if epitaph.attempt:
        parts.append(f"delivery {epitaph.attempt}")
    if epitaph.retries:
        parts.append(f"after {epitaph.retries} retries")
    if epitaph.exit_signal:
        parts.append(f"killed by {_signal_name(epitaph.exit_signal)}")
    return ", ".join(filter(None, parts))


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def _iso(at: float | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
