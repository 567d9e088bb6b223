"""A bench as people and scripts read it: what the task is, a table, bars, and lines for fleet.toml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fleet.cli.file.loading import terminal_width
from fleet.cli.views.status import plain
from fleet.cli.views.text_table import Column, size, table
from fleet.cli.wrap import fold
from fleet.duration_words import measured

if TYPE_CHECKING:
    from fleet.advice.measured import Alone, Cell
    from fleet.advice.recommend import Recommendation
    from fleet.bench.bench_run import Bench

_BAR = 24


def text(benches: Sequence[Bench]) -> Iterator[str]:
    for index, bench in enumerate(benches):
        if index:
            yield ""
        yield from _one(bench)
    yield from _apart(benches)


def _one(bench: Bench) -> Iterator[str]:
    alone, found = bench.alone, bench.recommendation()
    if alone is None or found is None:
        yield f"{bench.subject.task}: nothing was measured"
        yield from (f"  {each}" for each in bench.skipped)
        return
    yield (
        f"{bench.subject.task}: alone {_time(alone.wall)}, of which it computes {alone.share:.0%}; "
        f"{size(alone.memory)} of memory" + (", async def" if alone.is_async else "")
    )
    yield ""
    cells = sorted(bench.cells.values(), key=lambda cell: cell.setting)
    if cells:
        yield from _table(cells)
        yield ""
    yield from _lines_of_file(bench, found)
    yield ""
    for note in (found.reason, *found.notes, *bench.skipped):
        yield from fold([f"- {note}"], terminal_width())
    if found.sure != "yes":
        yield f"- how sure: {found.sure}"


def _table(cells: Sequence[Cell]) -> Iterator[str]:
    most = max(cell.rate for cell in cells) or 1.0
    rows: list[dict[str, Any]] = [{"cell": cell} for cell in cells]
    columns = [
        Column("POOL", lambda row: row["cell"].setting.pool),
        Column("SLOTS", lambda row: f"{row['cell'].setting.concurrency:,}", right=True),
        Column(
            "TASKS/S",
            lambda row: "fails" if row["cell"].failed else _number(row["cell"].rate),
            right=True,
        ),
        Column("P50", lambda row: _time(row["cell"].p50), right=True),
        Column("P99", lambda row: _time(row["cell"].p99), right=True),
        Column("CPU/TASK", lambda row: _time(row["cell"].cpu), right=True),
        Column("MEMORY", lambda row: size(row["cell"].memory), right=True),
        Column("", lambda row: "█" * round(_BAR * row["cell"].rate / most), shrinks=True),
    ]
    yield from table(columns, rows, terminal_width(), plain)


def _lines_of_file(bench: Bench, found: Recommendation) -> Iterator[str]:
    if bench.subject.queue:
        yield f"[queues.{bench.subject.queue}]"
        yield f'workload = "{found.workload}"'
        yield ""
    yield f"[workers.{bench.subject.group.group}]"
    yield from found.group_lines()


def _apart(benches: Sequence[Bench]) -> Iterator[str]:
    """For several tasks: whether they go together."""
    if reason := apart(benches):
        yield ""
        yield from fold([reason], terminal_width())


def apart(benches: Sequence[Bench]) -> str:
    """Why they want queues of their own; "" when they go together."""
    from fleet.advice.mixes import why_apart

    known = [(bench.subject.task, bench.alone) for bench in benches if bench.alone is not None]
    return why_apart([(task, alone.wall, alone.share) for task, alone in known])


def as_json(benches: Sequence[Bench], *, interrupted: bool) -> dict[str, Any]:
    return {
        "interrupted": interrupted,
        "tasks": [_one_as_json(bench) for bench in benches],
        "apart": apart(benches) or None,
    }


def _one_as_json(bench: Bench) -> dict[str, Any]:
    found = bench.recommendation()
    return {
        "task": bench.subject.task,
        "queue": bench.subject.queue,
        "group": bench.subject.group.group,
        "alone": None if bench.alone is None else _alone_as_json(bench.alone),
        "cells": [
            _cell_as_json(cell) for cell in sorted(bench.cells.values(), key=lambda each: each.setting)
        ],
        "recommendation": None
        if found is None
        else {
            "pool": found.pool,
            "concurrency": found.concurrency,
            "replicas": found.replicas,
            "workload": found.workload,
            "reason": found.reason,
            "sure": found.sure,
            "notes": list(found.notes),
            "toml": "\n".join([*_lines_of_file(bench, found), ""]),
        },
        "notes": list(bench.skipped),
    }


def _alone_as_json(alone: Alone) -> dict[str, Any]:
    return {
        "wall_seconds": round(alone.wall, 6),
        "cpu_seconds": round(alone.cpu, 6),
        "cpu_share": round(alone.share, 3),
        "delayed_seconds": round(alone.delayed, 6),
        "memory_bytes": int(alone.memory),
        "per_second": round(alone.rate, 3),
        "count": alone.times,
        "is_async": alone.is_async,
    }


def _cell_as_json(cell: Cell) -> dict[str, Any]:
    return {
        "pool": cell.setting.pool,
        "concurrency": cell.setting.concurrency,
        "per_second": round(cell.rate, 3),
        "measured": [round(rate, 3) for rate in cell.rates],
        "p50_seconds": round(cell.p50, 6),
        "p99_seconds": round(cell.p99, 6),
        "cpu_seconds_per_task": round(cell.cpu, 6),
        "memory_bytes": int(cell.memory),
        "count": cell.times,
        "failed": cell.failed,
        "trouble": cell.trouble or None,
        "idle_cpu": round(cell.idle_cpu, 3),
    }


def _time(seconds: float) -> str:
    return (
        f"{seconds * 1e6:.0f} µs"
        if seconds < 0.001
        else f"{seconds * 1e3:.1f} ms"
        if seconds < 0.01
        else measured(seconds)
    )


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
