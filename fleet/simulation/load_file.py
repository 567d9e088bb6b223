"""A load over time: how many messages arrive per second in each queue, and how long their tasks take.

Three forms: TOML for people, CSV for spreadsheets, JSON lines for recordings (`fleet simulate --record`).
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class BadLoad(ValueError):  # noqa: N818
    """The load can't be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A constant load of one queue for a while. `task_seconds` are drawn from, all equally likely."""

    queue: str
    start: float
    end: float
    per_second: float
    task_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """`even`: at equal distances; else by chance, as from many independent senders (Poisson)."""

    pieces: tuple[Piece, ...]
    seconds: float
    seed: int = 1
    even: bool = False

    def arrivals(self, seed: int | None = None) -> list[tuple[float, str, float]]:
        """(when, queue, seconds of its task), in order; the same for the same seed."""
        chance = random.Random(self.seed if seed is None else seed)  # noqa: S311
        found = [arrival for piece in self.pieces for arrival in self._of(piece, chance)]
        return sorted(found)

    def _of(self, piece: Piece, chance: random.Random) -> Iterator[tuple[float, str, float]]:
        if piece.per_second <= 0:
            return
        at = piece.start
        while True:
            at += 1 / piece.per_second if self.even else chance.expovariate(piece.per_second)
            if at >= piece.end:
                return
            yield at, piece.queue, chance.choice(piece.task_seconds)


@dataclass(frozen=True, slots=True)
class LoadNames:
    """How what a load names becomes a queue; each raises BadLoad."""

    of_task: Callable[[str], str]
    of_group: Callable[[str], str]
    queues: tuple[str, ...]

    def queue(self, row: Mapping[str, Any], where: str) -> str:
        named = [key for key in ("queue", "group", "task") if row.get(key)]
        if len(named) != 1:
            raise BadLoad(f"{where}: name one of queue, group and task")
        name = str(row[named[0]])
        try:
            if named[0] == "task":
                return self.of_task(name)
            if named[0] == "group":
                return self.of_group(name)
        except BadLoad as error:
            raise BadLoad(f"{where}: {error}") from None
        if name not in self.queues:
            raise BadLoad(f"{where}: there is no queue {name!r}; there are: {', '.join(self.queues)}")
        return name


def parse(text: str, suffix: str, names: LoadNames) -> Load:
    """`suffix` of the file's name: ".toml", ".csv", or anything else for JSON lines. Raises BadLoad."""
    if suffix == ".toml":
        return _of_toml(text, names)
    rows = _of_csv(text) if suffix == ".csv" else _of_lines(text)
    return _of_rows(rows, names)


def _of_toml(text: str, names: LoadNames) -> Load:
    import tomli

    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise BadLoad(str(error)) from None
    known = {"seed", "arrivals", "duration", "load"}
    if strange := sorted(set(document) - known):
        raise BadLoad(f"{strange[0]}: unknown key; there are {', '.join(sorted(known))}")
    arrivals = document.get("arrivals", "poisson")
    if arrivals not in ("poisson", "even"):
        raise BadLoad(f'arrivals: expected "poisson" or "even", got {arrivals!r}')
    streams = document.get("load")
    if not isinstance(streams, list) or not streams:
        raise BadLoad("expected at least one [[load]]")
    pieces: list[Piece] = []
    end = _seconds(document["duration"], "duration") if "duration" in document else None
    for number, stream in enumerate(streams, 1):
        pieces += _stream(stream, names, f"[[load]] {number}", end)
    last = max(piece.end for piece in pieces)
    seed = document.get("seed", 1)
    if not isinstance(seed, int):
        raise BadLoad(f"seed: expected a whole number, got {seed!r}")
    return Load(tuple(pieces), last if end is None else end, seed, arrivals == "even")


def _stream(stream: Any, names: LoadNames, where: str, end: float | None) -> Iterator[Piece]:
    if not isinstance(stream, dict):
        raise BadLoad(f"{where}: expected a table")
    if strange := sorted(set(stream) - {"queue", "group", "task", "per_second", "task_seconds"}):
        raise BadLoad(f"{where}: unknown key {strange[0]}")
    queue = names.queue(stream, where)
    seconds = _task_seconds(stream.get("task_seconds"), where)
    rates = stream.get("per_second")
    if isinstance(rates, int | float) and end is not None:
        rates = [["0s", rates]]
    if not isinstance(rates, list) or not rates:
        raise BadLoad(
            f'{where}: per_second: expected [["0s", 5], ["10m", 50], …], or a number and `duration`'
        )
    points = [_point(each, where) for each in rates]
    stops = [at for at, _ in points[1:]] + [points[-1][0] if end is None else end]
    for (start, rate), stop in zip(points, stops, strict=True):
        if stop < start:
            raise BadLoad(f"{where}: per_second: times must grow, {stop:g} s comes after {start:g} s")
        yield Piece(queue, start, stop, rate, seconds)


def _point(pair: Any, where: str) -> tuple[float, float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise BadLoad(f'{where}: per_second: expected pairs like ["10m", 50], got {pair!r}')
    return _seconds(pair[0], where), _number(pair[1], f"{where}: per_second")


def _of_csv(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    if "at" not in (reader.fieldnames or ()):
        raise BadLoad("line 1: expected the columns at, queue (or group, or task), per_second, task_seconds")
    for row in reader:
        yield f"line {reader.line_num}", {key: value.strip() for key, value in row.items() if key and value}


def _of_lines(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadLoad(f"line {number}: {error}") from None
        if not isinstance(row, dict):
            raise BadLoad(f"line {number}: expected a JSON object")
        yield f"line {number}", row


def _of_rows(rows: Iterable[tuple[str, Mapping[str, Any]]], names: LoadNames) -> Load:
    """Each row holds until the next one of the same queue; the last as long as the one before it."""
    by_queue: dict[str, list[tuple[float, float, tuple[float, ...]]]] = {}
    for where, row in rows:
        entry = (
            _seconds(row.get("at"), where),
            _number(row.get("per_second"), f"{where}: per_second"),
            _task_seconds(row.get("task_seconds"), where),
        )
        entries = by_queue.setdefault(names.queue(row, where), [])
        if entries and entry[0] < entries[-1][0]:
            raise BadLoad(f"{where}: times must grow")
        entries.append(entry)
    pieces = []
    for queue, entries in by_queue.items():
        starts = [start for start, _, _ in entries]
        last = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 1.0)
        for (start, rate, seconds), end in zip(entries, [*starts[1:], last], strict=True):
            pieces.append(Piece(queue, start, end, rate, seconds))
    if not pieces:
        raise BadLoad("it is empty")
    return Load(tuple(pieces), max(piece.end for piece in pieces))


def _task_seconds(value: Any, where: str) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    found = tuple(_seconds(each, f"{where}: task_seconds") for each in values)
    if not found:
        raise BadLoad(f"{where}: task_seconds: expected a duration or a list of them")
    return found


def _seconds(value: Any, where: str) -> float:
    """A number of seconds, or a text like "10m"."""
    if isinstance(value, str):
        from fleet.config.units import parse_duration

        try:
            return parse_duration(value).total_seconds()
        except ValueError:
            return _number(value, where)
    return _number(value, where)


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadLoad(f"{where}: expected a number, got {value!r}") from None
    if not 0 <= number < float("inf"):
        raise BadLoad(f"{where}: expected a number, 0 or more, got {value!r}")
    return number
