"""`fleet simulate --record`: watch the running fleet, and write down its load for replaying."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

EVERY_SECONDS = 5.0


def record(target: Path, file: Path | None, env: str | None, seconds: float) -> int:
    """One JSON line for each group every few seconds, until Ctrl-C or the time is over."""
    from fleet.cli.file.locate import locate
    from fleet.cli.running.status_source import fetch

    path, state = locate(file, env)
    before = fetch(path, state)
    if before is None:
        raise Failure(f"the fleet of {path} is not running: `fleet up` starts it", Exit.NOT_RUNNING)
    began = at = time.monotonic()
    known: dict[str, float] = {}
    try:
        with target.open("w", encoding="utf-8") as output:
            while at - began < seconds:
                time.sleep(min(EVERY_SECONDS, began + seconds - at))
                after, now = fetch(path, state), time.monotonic()
                if after is None:
                    break
                for row in rows(before, after, at - began, now - at, known):
                    output.write(json.dumps(row) + "\n")
                output.flush()
                before, at = after, now
    except KeyboardInterrupt:
        pass  # what is written is whole
    except OSError as error:
        raise Failure(f"can't write {target}: {error.strerror}", Exit.USAGE) from error
    click.echo(f"recorded {at - began:.0f} s: fleet simulate {target}", err=True)
    return Exit.OK


def rows(
    before: dict[str, Any], after: dict[str, Any], at: float, seconds: float, known: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """What arrived at each group between two statuses. `known` keeps the last known time of its tasks.

    What arrived is what ended and what the queues grew by; a queue that several groups consume counts for the
    first of them.
    """
    counted: set[str] = set()
    old = {group["name"]: group for group in before["groups"]}
    for group in after["groups"]:
        name, queues = group["name"], set(group["queues"]) - counted
        counted |= queues
        done, busy = _ended(old.get(name), group)
        if done:
            known[name] = busy / done
        grown = _outstanding(after, queues) - _outstanding(before, queues)
        if name in known:
            yield {
                "at": round(at, 2),
                "group": name,
                "per_second": round(max(0.0, done + grown) / seconds, 4),
                "task_seconds": round(known[name], 6),
            }


def _ended(before: dict[str, Any] | None, after: dict[str, Any]) -> tuple[int, float]:
    """Tasks that ended meanwhile, and the seconds that they took."""
    was = {worker["pid"]: _totals(worker) for worker in (before or {"workers": []})["workers"]}
    done, busy = 0, 0.0
    for worker in after["workers"]:
        count, seconds = _totals(worker)
        count_before, seconds_before = was.get(worker["pid"], (0, 0.0))
        done, busy = done + count - count_before, busy + seconds - seconds_before
    return done, busy


def _totals(worker: dict[str, Any]) -> tuple[int, float]:
    tasks = (worker.get("tasks") or {}).values()
    return int(sum(each[0] for each in tasks)), sum(each[1] for each in tasks)


def _outstanding(status: dict[str, Any], queues: set[str]) -> int:
    mine = [queue for queue in status["queues"] if queue["name"] in queues]
    return sum((queue["ready"] or 0) + (queue["unacked"] or 0) for queue in mine)
