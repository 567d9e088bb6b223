"""Failures of one worker, grouped by the type of the exception and the innermost place in the app that it came from.

In the loop: whatever fails thousands of times a second must not make it slow, so only so many a second are looked at;
the others count for the group that their task and type had last, or for `other`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from fleet.broker.delivery import Delivery
from fleet.protocol.words import cut
from fleet.telemetry import LONGEST_NAME, LONGEST_TRACEBACK, MOST_ERRORS, OTHER, ErrorEntry
from fleet.worker.outcome import Outcome

LOOKS_A_SECOND = 20
_RENEW_SECONDS = 60.0  # how old an example may be before another one takes its place
_LONGEST_REASON = 300
_LONGEST_PLACE = 300
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)
_LIBRARIES = (
    *(os.path.dirname(os.__file__) + "/", "/site-packages/", "/dist-packages/", "<frozen"),  # noqa: PTH120
)
_TYPE = re.compile(r"[\w.]{1,200}")


@dataclass(slots=True)
class _Group:
    count: int
    first: float
    last: float
    looked_at: float
    id: str
    queue: str
    task: str
    reason: str
    traceback: str


class ErrorGroups:
    """Cumulative since the process began. One thread counts, another may read."""

    def __init__(self) -> None:
        self.dropped = 0
        self._groups: dict[tuple[str, str], _Group] = {}
        self._latest: dict[tuple[str, str], tuple[str, str]] = {}  # (task, type) → the group that it had last
        self._second = 0.0
        self._looks = 0

    def count(self, delivery: Delivery, outcome: Outcome, task: str, ended: str, now: float) -> None:
        """One that has not succeeded; `now` is a POSIX timestamp."""
        kind = _kind(outcome, ended)
        if self._may_look(now):
            key = (kind, place(outcome.traceback or ""))
        else:
            self.dropped += 1
            key = self._latest.get((task, kind), (OTHER, ""))
        group = self._groups.get(key) or self._new(key, now)
        group.count += 1
        group.last = now
        if key[0] != OTHER and now - group.looked_at >= _RENEW_SECONDS:
            group.looked_at = now
            group.id, group.queue, group.task = _text(delivery.headers.get("id")), delivery.queue, task
            group.reason = cut(outcome.reason, _LONGEST_REASON)
            group.traceback = _shortened(outcome.traceback or "")
        if len(self._latest) < 10 * MOST_ERRORS:
            self._latest[task, kind] = key

    def _may_look(self, now: float) -> bool:
        if not 0 <= now - self._second < 1.0:
            self._second, self._looks = now, 0
        self._looks += 1
        return self._looks <= LOOKS_A_SECOND

    def _new(self, key: tuple[str, str], now: float) -> _Group:
        if len(self._groups) >= MOST_ERRORS:
            key = (OTHER, "")
        return self._groups.setdefault(key, _Group(0, now, now, 0.0, "", "", "", "", ""))

    def tell(self, told: dict[tuple[str, str], tuple[int, float]], most: int) -> list[ErrorEntry]:
        """At most so many of those that have counted something since; `told` remembers that, and what was told of it.

        The example only when it is another one than was told.
        """
        entries: list[ErrorEntry] = []
        for (kind, where), group in list(self._groups.items()):
            count, looked_at = told.get((kind, where), (0, -1.0))
            if count == group.count or len(entries) >= most:
                continue
            told[kind, where] = (group.count, group.looked_at)
            entry = ErrorEntry(kind, where, group.count, round(group.first, 3), round(group.last, 3))
            if looked_at != group.looked_at:
                entry = entry._replace(
                    id=group.id,
                    queue=group.queue,
                    task=group.task,
                    reason=group.reason,
                    traceback=group.traceback,
                )
            entries.append(entry)
        return entries


def place(traceback: str) -> str:
    """`shop/tasks.py:12 in resize`: the innermost frame that is not a library's, else the innermost; "" for none."""
    frames = _FRAME.findall(traceback)
    if not frames:
        return ""
    own = [each for each in frames if not any(library in each[0] for library in _LIBRARIES)]
    file, line, function = (own or frames)[-1]
    return cut(f"{file}:{line} in {function}", _LONGEST_PLACE)


def _kind(outcome: Outcome, ended: str) -> str:
    """The type of the exception; for what has not run, how it ended."""
    if ended in ("failed", "retried"):
        name = outcome.reason.partition(":")[0]
        return name if _TYPE.fullmatch(name) else ended
    return ended


def _shortened(text: str) -> str:
    """The end of a traceback says most."""
    return text if len(text) <= LONGEST_TRACEBACK else f"[…]\n{text[4 - LONGEST_TRACEBACK :]}"


def _text(value: object) -> str:
    return cut(value, LONGEST_NAME) if isinstance(value, str) else ""
