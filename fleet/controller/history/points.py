"""Points of the history: what a series was in one length of time. Pure.

A point has counts (the flat list of fleet.telemetry, of tasks and groups) and gauges (what was seen, of queues, groups
and the fleet). Longer points are made of shorter ones: counts are added, a gauge is the largest seen, or the mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

from fleet.controller.history.totals import Key
from fleet.telemetry import CPU, SIZE, WAITED, WALL, nothing

STEPS = (60, 600, 3600)
"""Seconds of a point."""
KEPT_SECONDS = {60: 86_400, 600: 14 * 86_400, 3600: 180 * 86_400}

# By kind: the gauges, and whether a longer point has the largest of them, else their mean.
GAUGES: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "queue": (
        *(("ready", True), ("unacked", True), ("delayed", True), ("dead", True), ("oldest_seconds", True)),
        *(("consumers", False), ("paused", True)),
    ),
    "group": (
        *(("desired", False), ("ready", False), ("busy", False), ("slots", False), ("rss_bytes", True)),
        *(("restarts", True),),
    ),
    "task": (),
    "fleet": (("healthy", False), ("broker_up", False)),
}
KINDS = tuple(GAUGES)


class HistoryPoint(NamedTuple):
    """Of one series. `counts` is [] where nothing is counted, `gauges` are in the order of GAUGES; None: not known."""

    counts: list[float]
    gauges: list[float | None]

    def to_columns(self) -> tuple[bytes, str]:
        """As it lies in the database: a busy task's minute takes some 60 bytes, a third of what JSON would."""
        return _packed(self.counts), json.dumps(self.gauges, separators=(",", ":")) if self.gauges else ""

    @classmethod
    def from_columns(cls, counts: bytes, gauges: str) -> HistoryPoint:
        """Raises ValueError, IndexError or TypeError for what `to_columns` never makes."""
        return cls(_unpacked(counts) if counts else [], json.loads(gauges) if gauges else [])

    @property
    def is_idle(self) -> bool:
        """Nothing has happened, and nothing is there."""
        return not any(self.counts) and not any(self.gauges)


_SECONDS = frozenset({WALL, CPU, WAITED})  # places of what is no whole number: kept in microseconds


def _packed(counts: Sequence[float]) -> bytes:
    """Of each number that isn't 0: how many places after the one before, and the number, both as varints."""
    packed, before = bytearray(), -1
    for place, number in enumerate(counts):
        whole = round(number * 1e6) if place in _SECONDS else int(number)
        if whole:
            packed += _varint(place - before) + _varint(whole)
            before = place
    return bytes(packed)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _unpacked(packed: bytes) -> list[float]:
    numbers, at, place = nothing(), 0, -1
    while at < len(packed):
        gap, at = _read_varint(packed, at)
        number, at = _read_varint(packed, at)
        place += gap
        if not 0 <= place < SIZE:
            raise ValueError("no such place")
        numbers[place] = number / 1e6 if place in _SECONDS else number
    return numbers


def _read_varint(packed: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = packed[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def combined(kind: str, points: Sequence[HistoryPoint]) -> HistoryPoint:
    """One of several that follow each other."""
    counts: list[float] = []
    for point in points:
        if point.counts:
            counts = list(map(add, counts or nothing(), point.counts))
    gauges: list[float | None] = []
    for place, (_, is_largest) in enumerate(GAUGES.get(kind, ())):
        known = [
            value
            for point in points
            if len(point.gauges) > place and (value := point.gauges[place]) is not None
        ]
        if not known:
            gauges.append(None)
        else:
            gauges.append(max(known) if is_largest else round(sum(known) / len(known), 3))
    return HistoryPoint(counts, gauges)


def seen(status: Mapping[str, Any]) -> dict[Key, list[float | None]]:
    """The gauges of queues, groups and the fleet in a status (see controller/api/status.py)."""
    paused = {name for group in status["groups"] for name in group["paused_queues"]}
    found: dict[Key, list[float | None]] = {
        Key("fleet", "fleet"): [
            int(status["state"] == "healthy"),
            int(status["broker"]["error"] is None),
        ]
    }
    for queue in status["queues"]:
        names = ("ready", "unacked", "delayed", "dead", "oldest_seconds", "consumers")
        values = [queue.get(name) for name in names]
        found[Key("queue", queue["name"])] = [*values, int(queue["name"] in paused)]
    for group in status["groups"]:
        workers, replicas = group["workers"], group["replicas"]
        found[Key("group", group["name"])] = [
            replicas["desired"],
            replicas["ready"],
            sum(worker["in_flight"] or 0 for worker in workers),
            sum(worker["concurrency"] or 0 for worker in workers),
            sum(worker["rss_bytes"] or 0 for worker in workers),
            sum(worker["restarts"] or 0 for worker in workers),
        ]
    return found
