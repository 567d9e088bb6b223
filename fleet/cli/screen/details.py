"""The details that Enter opens in `fleet top`: all of one row, whatever it is of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fleet.cli.screen.clock_rows import schedule_details
from fleet.cli.screen.listing import LISTINGS
from fleet.cli.screen.model import EVENTS, FAILED, GROUPS, QUEUES, SCHEDULES, TASKS, Model, Row
from fleet.cli.screen.paint import paint
from fleet.cli.screen.words import ago, clock, error_line, number, rate, total, window
from fleet.cli.views.why import why
from fleet.cli.wrap import fold
from fleet.duration_words import measured

_LOG_LINES = 10


def details(model: Model) -> Iterator[str]:
    """Of the row that was opened, as it is now."""
    assert model.opened is not None
    found = [row for row in LISTINGS[model.screen].rows(model.known) if row["key"] == model.opened.key]
    if not found:
        yield "it is not there any more; Esc goes back"
        return
    yield from fold(_OF[model.screen](model, found[0]), model.width)


def _queue(model: Model, row: Row) -> Iterator[str]:
    yield f"{paint(row['name'], 'head')}{' is paused' if row['paused'] else ''}"
    yield f"  {number(row.get('ready'))} wait, the oldest for {measured(row.get('oldest_seconds'))}"
    kinds = ("unacked", "delayed", "dead")
    yield "  " + ", ".join(f"{number(row.get(kind))} {kind}" for kind in kinds)
    at_broker = f", {number(row['consumers'])} consumers by the broker's word" if row.get("consumers") else ""
    yield f"  {number(row.get('workers'))} workers take from it{at_broker}"
    groups = [
        group["name"] for group in model.known.answer("status", "groups") if row["name"] in group["queues"]
    ]
    yield f"  taken from by: {', '.join(groups) or 'nobody'}"
    yield from _counted(model, row)
    if row.get("dead"):
        yield f"  `fleet dead list {row['name']}` shows its dead letters"


def _counted(model: Model, row: Row) -> Iterator[str]:
    if not row.get("window"):
        yield "  nothing of it has been counted lately"
        return
    seconds = (model.known.answers.get("statistics") or {}).get("window_seconds")
    yield ""
    yield paint(f"In the last {measured(seconds)}", "head")
    yield f"  {rate(window(row, 'per_second'))} a second: {_outcomes(row['window'])}"
    yield f"  waited  {_percentiles(row['window']['wait'])}"
    yield f"  took    {_percentiles(row['window']['duration'])}"


def _outcomes(counted: Row) -> str:
    said = [f"{number(times)} {name}" for name, times in counted["outcomes"].items() if times]
    return ", ".join(said) or "nothing ended"


def _percentiles(histogram: Row) -> str:
    return ", ".join(f"{name} {measured(histogram[name])}" for name in ("p50", "p95", "p99"))


def _group(model: Model, row: Row) -> Iterator[str]:
    worker = row["worker"]
    if worker is None:
        yield from why(row["group"], paint)
        yield f"  takes from: {', '.join(row['group']['queues']) or '-'}"
        mine = {each["id"] for each in row["workers"]}
    else:
        yield from _worker(worker)
        mine = {worker["id"]}
    yield ""
    yield from _running(model, mine)


def _worker(worker: Row) -> Iterator[str]:
    yield f"{paint(worker['id'], 'head')} is {worker['state']}, pid {worker['pid'] or '-'}"
    yield f"  up {measured(worker['uptime_seconds'])}, revision {worker['revision']}"
    row = {"workers": [worker]}
    done = ", ".join(f"{number(total(row, name))} {name}" for name in ("succeeded", "failed", "retried"))
    yield f"  {number(worker['in_flight'])} in flight of {number(worker['concurrency'])} slots; {done}"
    for warning in worker["warnings"]:
        yield f"  {paint('!', 'warn')} {warning}"
    if last := worker["last_exit"]:
        how = f"signal {last['signal']}" if last["signal"] else f"code {last['code']}"
        yield f"  last exit: {how}, after {measured(last['uptime_seconds'])}; {worker['restarts']} restarts"
        yield from (paint(f"  | {line}", "dim") for line in last["log_tail"][-_LOG_LINES:])


def _running(model: Model, workers: set[str]) -> Iterator[str]:
    if reason := model.known.failures.get("running"):
        yield f"can't tell what runs: {reason}"
        return
    running = [each for each in model.known.answer("running", "running") if each["worker"] in workers]
    yield paint("Running, the oldest first (i shows where a worker's code is)", "head")
    if not running:
        yield "  nothing"
    for each in running:
        age = measured(max(0.0, model.now - each["since"]))
        yield f"  {age:>12}  {each['worker']}  {each['task']}  {each['id']}"


def _task(model: Model, row: Row) -> Iterator[str]:
    yield f"{paint(row['task'], 'head')} on queue {row['queue']}"
    yield f"  ever: {_outcomes(row['total'])}"
    last = row.get("last_success_at")
    yield f"  last success: {ago(last, model.now) if last else 'never'}"
    wall, cpu = row["total"]["wall_seconds"], row["total"]["cpu_seconds"]
    if wall:
        yield f"  CPU: {cpu / wall:.0%} of the time it took"
    yield from _counted(model, row)
    errors = [
        each for each in model.known.answer("errors", "errors") if each["example"]["task"] == row["task"]
    ]
    if errors:
        yield ""
        yield paint("Errors", "head")
    yield from (f"  {error_line(each, model.now)}" for each in errors)


def _error(model: Model, row: Row) -> Iterator[str]:
    example = row["example"]
    yield f"{paint(row['type'], 'bad')} at {row['place'] or '-'}"
    times = "once" if row["times"] == 1 else f"{number(row['times'])} times"
    yield f"  {times}, first {ago(row['first_at'], model.now)}, last {ago(row['last_at'], model.now)}"
    yield f"  in {example['task']} on queue {example['queue']}, as in message {example['id']}"
    if example.get("reason"):
        yield f"  {example['reason']}"
    if trace := example.get("traceback"):
        yield ""
        yield from (paint(f"  | {line}", "dim") for line in trace)
    yield ""
    yield "T sends those of them that failed for good again, X deletes them; `fleet dead list` shows them"


def _event(_model: Model, row: Row) -> Iterator[str]:
    yield f"{paint(clock(row.get('at')), 'head')} {row.get('message', '')}"
    for name, value in row.items():
        if name not in ("key", "message", "at") and value is not None:
            yield f"  {name}: {value}"


_OF: dict[int, Callable[[Model, Any], Iterator[str]]] = {
    QUEUES: _queue,
    GROUPS: _group,
    TASKS: _task,
    FAILED: _error,
    EVENTS: _event,
    SCHEDULES: schedule_details,
}
