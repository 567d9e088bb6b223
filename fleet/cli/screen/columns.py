"""The rows and columns of `fleet top`'s lists, out of the controller's answers. Pure."""

from __future__ import annotations

from fleet.cli.screen.model import Answered, Row
from fleet.cli.screen.words import clock, number, rate, short_place, total, window
from fleet.cli.views.text_table import Column, size
from fleet.duration_words import measured

WIDE = 100
_UNHURT = {"ready", "running", "starting", "draining", "exited"}


def queues(known: Answered) -> list[Row]:
    counted = {each["queue"]: each["window"] for each in known.answer("statistics", "queues")}
    paused = {name for group in known.answer("status", "groups") for name in group.get("paused_queues") or ()}
    return [
        {
            **queue,
            "key": queue["name"],
            "window": counted.get(queue["name"]),
            "paused": queue["name"] in paused,
        }
        for queue in known.answer("status", "queues")
    ]


def queue_columns(width: int) -> list[Column]:
    few = [
        Column("QUEUE", _queue_name, shrinks=True),
        Column("WAITING", lambda row: number(row.get("ready")), right=True),
        Column("OLDEST", lambda row: measured(row.get("oldest_seconds")), right=True),
        Column("OUT/S", lambda row: rate(window(row, "per_second")), right=True),
        Column("WAIT P95", lambda row: measured(window(row, "wait", "p95")), right=True),
        Column("UNACKED", lambda row: number(row.get("unacked")), right=True),
        Column("DEAD", lambda row: number(row.get("dead")), right=True, role=_dead_role),
    ]
    more = [
        Column("DELAYED", lambda row: number(row.get("delayed")), right=True),
        Column("WORKERS", lambda row: number(row.get("workers")), right=True),
    ]
    return few + more if width >= WIDE else few


def _queue_name(row: Row) -> str:
    return f"{'* ' if row.get('marked') else ''}{row['name']}{' (paused)' if row['paused'] else ''}"


def _dead_role(row: Row) -> str:
    return "bad" if row.get("dead") else ""


def groups(known: Answered) -> list[Row]:
    found: list[Row] = []
    for group in known.answer("status", "groups"):
        found.append({"key": group["name"], "group": group, "workers": group["workers"], "worker": None})
        found += [
            {"key": f"{each['id']} {each['serial']}", "group": group, "workers": [each], "worker": each}
            for each in group["workers"]
        ]
    return found


def _name(row: Row) -> str:
    return f"  {row['worker']['id']}" if row["worker"] else str(row["group"]["name"])


def _state(row: Row) -> str:
    if row["worker"]:
        return str(row["worker"]["state"])
    replicas = row["group"]["replicas"]
    if replicas["ready"] is None:
        return f"?/{len(row['workers'])}"
    return (
        f"{replicas['ready']}/{replicas['desired']} ready" if row["group"].get("here", True) else "not here"
    )


def _state_role(row: Row) -> str:
    if row["worker"]:
        return "" if row["worker"]["state"] in _UNHURT else "bad"
    replicas = row["group"]["replicas"]
    return "good" if replicas["ready"] == replicas["desired"] else "bad"


def _slots(row: Row) -> str:
    return f"{number(total(row, 'in_flight'))}/{number(total(row, 'concurrency'))}"


def _oldest(row: Row) -> str:
    longest = max((worker.get("oldest_in_flight_seconds") or 0.0 for worker in row["workers"]), default=0.0)
    return measured(longest or None)


def _memory(row: Row) -> str:
    held = total(row, "rss_bytes")
    return size(held) if held else "-"


def _note(row: Row) -> str:
    if row["worker"]:
        return str(row["worker"].get("trouble") or row["worker"].get("recycle") or "")
    override = row["group"].get("override")
    if override:
        return f"{override['verb']} by {override['actor']}"
    return "paused" if row["group"].get("paused") else ""  # by its queues


def group_columns(width: int) -> list[Column]:
    return [
        Column("WORKER", _name),
        Column("STATE", _state, role=_state_role),
        Column("BUSY", _slots, right=True),
        Column("OLDEST", _oldest, right=True),
        Column("MEMORY", _memory, right=True),
        *([Column("DONE", lambda row: number(total(row, "succeeded")), right=True)] if width >= WIDE else []),
        Column("FAILED", lambda row: number(total(row, "failed")), right=True),
        Column("CRASHES", lambda row: number(total(row, "restarts")), right=True),
        Column("", _note, role=lambda _row: "warn"),
    ]


def tasks(known: Answered) -> list[Row]:
    return [
        {**each, "key": f"{each['queue']} {each['task']}"} for each in known.answer("statistics", "tasks")
    ]


def task_columns(width: int) -> list[Column]:
    few = [
        Column("TASK", lambda row: row["task"], shrinks=True),
        Column("QUEUE", lambda row: row["queue"]),
        Column("RAN/S", lambda row: rate(window(row, "per_second")), right=True),
        Column(
            "FAILED", lambda row: number(window(row, "outcomes", "failed")), right=True, role=_failed_role
        ),
        Column("RETRIED", lambda row: number(window(row, "outcomes", "retried")), right=True),
        Column("TOOK P50", lambda row: measured(window(row, "duration", "p50")), right=True),
        Column("P95", lambda row: measured(window(row, "duration", "p95")), right=True),
        Column("WAIT P95", lambda row: measured(window(row, "wait", "p95")), right=True),
    ]
    more = [Column("DONE", lambda row: number(row["total"]["outcomes"].get("succeeded")), right=True)]
    return few + more if width >= WIDE else few


def _failed_role(row: Row) -> str:
    return "bad" if window(row, "outcomes", "failed") else ""


def errors(known: Answered) -> list[Row]:
    return [
        {**each, "key": f"{each['type']} {each['place']} {each['example']['task']}"}
        for each in known.answer("errors", "errors")
    ]


def error_columns(_width: int) -> list[Column]:
    return [
        Column("LAST (UTC)", lambda row: clock(row["last_at"])),
        Column("TIMES", lambda row: number(row["times"]), right=True, role=lambda _row: "bad"),
        Column("ERROR", lambda row: row["type"]),
        Column("TASK", lambda row: row["example"]["task"]),
        Column("WHERE", lambda row: short_place(row["place"])),
    ]


def events(known: Answered) -> list[Row]:
    return [{**each, "key": str(each.get("sequence"))} for each in known.answer("events", "events")]


def event_columns(_width: int) -> list[Column]:
    return [
        Column("AT (UTC)", lambda row: clock(row.get("at"))),
        Column("EVENT", lambda row: str(row.get("message", "")), role=_event_role),
    ]


def _event_role(event: Row) -> str:
    return {"warning": "warn", "error": "bad", "critical": "bad"}.get(str(event.get("level", "")).lower(), "")
