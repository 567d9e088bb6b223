"""The status as lines for a tired person: the verdict first, then groups and queues, then what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from fleet.cli.views.overrides import how_to_end, override_text
from fleet.cli.views.text_table import Column, compact, size, table
from fleet.cli.wrap import fold
from fleet.duration_words import measured

Paint = Callable[[str, str], str]
"""Colours a text for a role: good, bad, warn, dim, head."""

WIDE_COLUMNS = 100
_TAIL_LINES = 4
_MANY_CRASHES = 3
_LONG_SECONDS = 60.0  # a task that runs for longer is mentioned
_WORKER_STATES = {"backoff", "failed", "silent", "troubled"}


def plain(text: str, _role: str) -> str:
    return text


def lines(status: dict[str, Any], width: int, paint: Paint = plain) -> Iterator[str]:
    """The whole view; no line is longer than `width` unless it quotes a log or can't be broken."""
    yield from fold(verdict(status, width, paint), width)
    if status["groups"]:
        yield ""
        yield from group_table(status, width, paint)
    if status["queues"]:
        yield ""
        yield from table(_QUEUE_COLUMNS, status["queues"], width, paint)
    if schedules := status.get("schedules"):
        yield ""
        yield from fold([_clock(schedules)], width)
    yield from wrong(status, width, paint)


def _clock(schedules: list[dict[str, Any]]) -> str:
    """How many schedules there are, and which is next."""
    count = "1 schedule" if len(schedules) == 1 else f"{len(schedules)} schedules"
    first = min(
        (each for each in schedules if each["next_at"]), key=lambda each: each["next_at"], default=None
    )
    if first is None:
        return f"{count}; `fleet schedule list` shows them"
    at = f"{first['next_at'][:10]} {first['next_at'][11:19]} UTC"
    return f"{count}, next {first['name']} at {at}; `fleet schedule list` shows them"


def group_table(status: dict[str, Any], width: int, paint: Paint) -> Iterator[str]:
    yield from table(_group_columns(status["groups"], width >= WIDE_COLUMNS), status["groups"], width, paint)


def wrong(status: dict[str, Any], width: int, paint: Paint) -> Iterator[str]:
    """What is wrong or not as the file says, each with what to do; an empty line before each section."""
    for section in (_rejected, _too_much, _broker, _rollout, _overrides, _troubles):
        found = list(section(status, paint))
        if found:
            yield ""
            yield from fold(found, width)


def verdict(status: dict[str, Any], width: int, paint: Paint) -> Iterator[str]:
    state = status["state"]
    role = {"healthy": "good", "degraded": "bad"}.get(state, "warn")
    up = measured(status["supervisor"]["uptime_seconds"])
    revision = status["config"]["revision"]
    facts = list(filter(None, [_ready(status), f"up {up}", f"pid {status['supervisor']['pid']}"]))
    more = [*facts, f"configuration {revision}"]
    if revision and len(f"{status['fleet']} is {state}: {', '.join(more)}") <= width:
        facts = more
    yield f"{paint(status['fleet'], 'head')} is {paint(state, role)}: " + ", ".join(facts)
    for reason in status["reasons"]:
        yield f"  {paint('!', role)} {reason}"
    restarts = status["controller"]["restarts"]
    if restarts:
        times = "once" if restarts == 1 else f"{restarts} times"
        yield f"  {paint('!', 'warn')} the controller was restarted {times}"


def _ready(status: dict[str, Any]) -> str:
    numbers = [group["replicas"] for group in status["groups"]]
    if any(number["ready"] is None for number in numbers):
        return f"{sum(len(group['workers']) for group in status['groups'])} workers"
    ready, desired = (sum(number[key] for number in numbers) for key in ("ready", "desired"))
    return f"{ready} of {desired} workers ready"


def _total(key: str) -> Callable[[dict[str, Any]], str]:
    def of_group(group: dict[str, Any]) -> str:
        values = [worker[key] for worker in group["workers"] if worker.get(key) is not None]
        return compact(sum(values)) if values else "-"

    return of_group


def _occurs(groups: list[dict[str, Any]], key: str) -> bool:
    """Absent in what an older controller says."""
    return any(worker.get(key) for group in groups for worker in group["workers"])


def _group_columns(groups: list[dict[str, Any]], wide: bool) -> list[Column]:
    columns = [
        Column("GROUP", lambda group: group["name"]),
        Column("READY", _group_ready, right=True, role=_ready_role),
        Column("POOL", _pool),
        Column("IN FLIGHT", _total("in_flight"), right=True),
        Column("DONE", _total("succeeded"), right=True),
        Column("FAILED", _total("failed"), right=True),
        Column("RETRIED", _total("retried"), right=True),
        *(Column(key.upper(), _total(key), right=True) for key in _SELDOM if _occurs(groups, key)),
    ]
    if wide:
        columns += [
            Column("CRASHES", _total("restarts"), right=True),
            Column("MEMORY", _memory, right=True),
        ]
    return [*columns, Column("QUEUES", _queues, shrinks=True, role=_queues_role)]


def _queues(group: dict[str, Any]) -> str:
    paused = group.get("paused_queues") or ()
    return ", ".join(f"{name} (paused)" if name in paused else name for name in group["queues"]) or "-"


def _queues_role(group: dict[str, Any]) -> str:
    return "warn" if group.get("paused_queues") else ""


def _group_ready(group: dict[str, Any]) -> str:
    replicas = group["replicas"]
    if replicas["ready"] is None:
        return f"?/{len(group['workers'])}"
    if not group.get("here", True):
        return "not here"
    return f"{replicas['ready']}/{replicas['desired']}"


def _ready_role(group: dict[str, Any]) -> str:
    replicas = group["replicas"]
    return "good" if replicas["ready"] == replicas["desired"] else "bad"


def _pool(group: dict[str, Any]) -> str:
    if group["pool"] is None:
        return "-"
    return group["pool"] if group["pool"] == "solo" else f"{group['pool']} x {group['concurrency']}"


def _memory(group: dict[str, Any]) -> str:
    values = [worker["rss_bytes"] for worker in group["workers"] if worker["rss_bytes"]]
    return size(sum(values)) if values else "-"


def _number(key: str) -> Callable[[dict[str, Any]], str]:
    """Absent in what an older controller says."""
    return lambda queue: "-" if queue.get(key) is None else compact(queue[key])


_MOST_WARNINGS = 5
_SELDOM = ("rejected", "revoked", "expired")  # a column only where there are some
_QUEUE_COLUMNS = [
    Column("QUEUE", lambda queue: queue["name"], shrinks=True),
    Column("WAITING", _number("ready"), right=True),
    Column("UNACKED", _number("unacked"), right=True),
    Column("WORKERS", _number("workers"), right=True),
    Column("DEAD", _number("dead"), right=True, role=lambda queue: "bad" if queue["dead"] else ""),
    Column("DELAYED", _number("delayed"), right=True),
    Column("OLDEST", lambda queue: measured(queue["oldest_seconds"]), right=True),
]


def _rejected(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    rejected = status["config"]["rejected"]
    if not rejected:
        return
    name = status["file"]
    yield paint(f"{name} is not accepted since {rejected['at']}:", "bad")
    for found in rejected["diagnostics"]:
        place = f"line {found['line']}, column {found['column']}: " if found["line"] else ""
        code = f"{found['code']} " if found["code"] else ""
        yield f"  {place}{code}{found['message']}"
    yield "  Mend the file and it is picked up; `fleet validate` shows more."


def _too_much(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    warnings = status["config"].get("warnings")  # a controller of an older version knows none
    if warnings:
        yield paint("The file asks for more than this machine has:", "warn")
        yield from (
            f"  {each['code']} line {each['line']}: {each['message']}" for each in warnings[:_MOST_WARNINGS]
        )
        if len(warnings) > _MOST_WARNINGS:
            yield f"  and {len(warnings) - _MOST_WARNINGS} more: `fleet validate` shows them"


def _broker(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    if error := status["broker"]["error"]:
        yield paint("The broker can't be reached:", "bad")
        yield f"  {error}"
    if alarm := status["broker"].get("alarm"):
        yield paint("The broker takes no messages:", "bad")
        yield f"  {alarm}"


def _rollout(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    if rollout := status["rollout"]:
        role = "warn" if rollout["state"] == "progressing" else "bad"
        yield paint(f"Rollout of {rollout['group']} {rollout['state']}:", role)
        yield f"  {rollout['reason']}"
        if rollout["state"] == "rolled back":
            yield "  The old workers go on. Mend it and save, or `fleet reload` to try again."


def _overrides(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    """Where the fleet is not as the file says, because somebody wants it so."""
    said: list[str] = []
    now = datetime.now(UTC)
    for group in status["groups"]:
        for each in group.get("overrides") or ():
            text = f"{override_text(each, now)}. {how_to_end(each)} ends it."
            if text not in said:
                said.append(text)
    if said:
        yield paint("Not as the file says:", "warn")
        yield from (f"  {text}" for text in said)


def _troubles(status: dict[str, Any], paint: Paint) -> Iterator[str]:
    for group in status["groups"]:
        for worker in group["workers"]:
            many = worker["recent_crashes"] >= _MANY_CRASHES
            if worker["state"] in _WORKER_STATES or _failing(worker) or many:
                yield from _trouble(worker, paint)
            if worker.get("absorbed"):
                yield f"{paint(worker['id'], 'warn')} does not report: {worker['absorbed']}"
            if (worker.get("oldest_in_flight_seconds") or 0.0) >= _LONG_SECONDS:
                oldest = measured(worker["oldest_in_flight_seconds"])
                yield f"{worker['id']} has {worker['in_flight']} in flight, the oldest for {oldest}"
            if worker.get("runs_alone"):
                what = f"{worker['runs_alone']}, which may have killed workers before"
                yield f"{paint(worker['id'], 'warn')} runs nothing but {what}"
            if worker["broker_error"] and not status["broker"]["error"]:
                how = "can't use" if worker["state"] == "starting" else "has lost"
                yield f"{paint(worker['id'], 'bad')} {how} the broker: {worker['broker_error']}"
            if worker.get("refused"):
                yield f"{paint(worker['id'], 'bad')} can't hand on messages: {worker['refused']}"


def _failing(worker: dict[str, Any]) -> bool:
    """Being tried again after a crash, and not up yet."""
    last = worker["last_exit"]
    return worker["state"] in ("starting", "running") and last is not None and last["code"] != 0


def _trouble(worker: dict[str, Any], paint: Paint) -> Iterator[str]:
    wait = worker["retry_in_seconds"]
    again = f", next try in {measured(wait)}" if wait is not None else ""
    what = {
        "backoff": "crashed",
        "running": "runs again",  # the supervisor can't tell whether it is ready
        "failed": "keeps crashing",
        "silent": "has stopped reporting",
        "troubled": f"does no work: {worker.get('trouble')}",
    }
    last = worker["last_exit"]
    up_again = f"is up, and has crashed {worker['recent_crashes']} times in the last ten minutes"
    state = what.get(worker["state"], up_again if worker["state"] == "ready" else "is being started again")
    if last and last["cannot_boot"] and worker["state"] in ("backoff", "failed"):
        state = "can't start"
    how = f" ({_ending(last)})" if last else ""
    restarts = worker["restarts"]
    crashes = f" after {restarts} restart{'' if restarts == 1 else 's'}" if restarts else ""
    yield f"{paint(worker['id'], 'bad')} {state}{crashes}{how}{again}"
    for line in (last["log_tail"] if last else [])[-_TAIL_LINES:]:
        yield paint(f"  | {line}", "dim")


def _ending(last: dict[str, Any]) -> str:
    how = f"killed by signal {last['signal']}" if last["signal"] else f"exit code {last['code']}"
    held = f", held {size(last['rss_bytes'])}" if last["rss_bytes"] else ""
    return f"{how}, lived {measured(last['uptime_seconds'])}{held}"
