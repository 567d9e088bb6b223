"""Answers of a worker whose controller asks what it is doing. In the watchdog's thread, beside the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from fleet.broker.delivery import Delivery
from fleet.protocol.fields import SENT_HEADER
from fleet.protocol.words import cut
from fleet.telemetry import LONGEST_ANSWER, LONGEST_NAME, MOST_RUNNING, OUTCOMES
from fleet.worker import stacks, unpatched
from fleet.worker.pools import Pool
from fleet.worker.task_statistics import EndedTask, TaskStatistics
from fleet.worker.workload import Workload

T = TypeVar("T")

_TRIES = 5
_LONGEST_TEXT = 1024
_TOLD_HEADERS = (
    "argsrepr",
    "kwargsrepr",
    "origin",
    "eta",
    "expires",
    "root_id",
    "parent_id",
    "retries",
    SENT_HEADER,
)


class Answers:
    """`answer` is for any thread but the loop's, which goes on meanwhile."""

    def __init__(self, workload: Workload, statistics: TaskStatistics, pid: int) -> None:
        self._workload = workload
        self._statistics = statistics
        self._pid = pid
        self.pool: Pool | None = None

    def answer(self, what: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Never raises: this thread must go on."""
        try:
            if what == "running":
                return {"running": self._running()}
            if what == "message":
                return {"message": self._message(str(arguments.get("id")))}
            if what == "ended":
                ended = [_timed(each) for each in _copied(lambda: self._statistics.ended)]
                first = [
                    {"task": each.task, "begun": round(each.begun, 6), "wall": round(each.wall_seconds, 6)}
                    for each in self._statistics.first
                ]
                return {"ended": ended, "first": first}
            if what == "stacks":
                threads = stacks.own()[: LONGEST_ANSWER // 2]
                return {"threads": threads, "green": stacks.green()[: LONGEST_ANSWER - len(threads)]}
        except Exception as error:
            return {"error": cut(repr(error), _LONGEST_TEXT)}
        return {"error": f"no answer to {what[:50]!r}"}

    def _running(self) -> list[dict[str, Any]]:
        """What runs, the oldest first."""
        return [
            {**_names(delivery), "since": round(since + self._statistics.since_epoch, 3), "process": process}
            for delivery, since, process in self._begun()[:MOST_RUNNING]
        ]

    def _begun(self) -> list[tuple[Delivery, float, int]]:
        in_flight = _copied(lambda: list(self._workload.in_flight.items()))
        elsewhere = None if self.pool is None else _copied(self.pool.where)
        if elsewhere is None:
            return [(delivery, since, self._pid) for delivery, since in in_flight]
        return [
            (delivery, max(since, elsewhere[delivery][1]), elsewhere[delivery][0])
            for delivery, since in in_flight
            if delivery in elsewhere
        ]

    def _message(self, ident: str) -> dict[str, Any] | None:
        """Where the message with that id is in this worker, and how it ended here lately; None: not known here."""
        ended = [
            self._ended(each) for each in _copied(lambda: self._statistics.ended) if each.delivery_id == ident
        ]
        begun = next((each for each in self._begun() if each[0].headers.get("id") == ident), None)
        if begun is not None:
            delivery, since, process = begun
            at = {"since": round(since + self._statistics.since_epoch, 3), "process": process}
            return {"state": "running", **_details(delivery), **at, "ended": ended}
        waiting: Iterable[Delivery] = _copied(lambda: [*self._workload.in_flight, *self._workload.backlog])
        held = next((each for each in waiting if each.headers.get("id") == ident), None)
        if held is not None:
            return {"state": "held", **_details(held), "ended": ended}
        return {"state": "ended", "ended": ended} if ended else None

    def _ended(self, each: EndedTask) -> dict[str, Any]:
        begun = each.begun + self._statistics.since_epoch
        return {
            "task": each.task,
            "queue": each.queue,
            "outcome": OUTCOMES[each.outcome],
            "begun_at": round(begun, 3),
            "ended_at": round(begun + each.wall_seconds, 3),
            "wall_seconds": round(each.wall_seconds, 6),
            "wait_seconds": None if each.wait_seconds is None else round(each.wait_seconds, 6),
            "reason": each.reason,
        }


def _timed(each: EndedTask) -> dict[str, Any]:
    """For who measures; `begun` is monotonic."""
    return {
        "task": each.task,
        "begun": round(each.begun, 6),
        "wall": round(each.wall_seconds, 6),
        "outcome": OUTCOMES[each.outcome],
        "reason": cut(each.reason, 200),
    }


def _copied(take: Callable[[], T]) -> T:
    """The loop goes on meanwhile: what changes while it is copied is copied again."""
    for _ in range(_TRIES - 1):
        try:
            return take()
        except (RuntimeError, KeyError, IndexError):
            unpatched.sleep(0)
    return take()


def _names(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": _text(delivery.headers.get("id"), LONGEST_NAME),
        "task": _text(delivery.headers.get("task"), LONGEST_NAME),
        "queue": delivery.queue,
    }


def _details(delivery: Delivery) -> dict[str, Any]:
    told = {name: _plain(delivery.headers.get(name)) for name in _TOLD_HEADERS}
    return {**_names(delivery), "attempt": delivery.attempt, "headers": told}


def _plain(value: object) -> object:
    if value is None or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _text(value, _LONGEST_TEXT)


def _text(value: object, most: int) -> str:
    return cut(value if isinstance(value, str) else "", most)
