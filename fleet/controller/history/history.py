"""The history of a fleet as its controller keeps it: takes what workers tell, and writes it once a minute.

Everything here belongs to the event loop but for one thread, which does all the writing: a disk that is full or slow
harms nothing but the history.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.controller.history.database import Batch, Database, is_corrupt
from fleet.controller.history.fleet_counters import FleetCounters
from fleet.controller.history.leftovers import collect, remove, tidy
from fleet.controller.history.points import GAUGES, HistoryPoint, combined, seen
from fleet.controller.history.totals import Key, Totals
from fleet.controller.log.events import Event, EventLog
from fleet.controller.log.throttled import Throttled
from fleet.statedir import StateDir
from fleet.telemetry import Statistics

DEFAULT_MAX_BYTES = 64 << 20
_CLOSE_SECONDS = 1.5
_MOST_UNWRITTEN = 50_000  # points and events in memory while they can't be written
_LATE_SECONDS = 15.0
_SETTLED_SECONDS = 600.0  # by then every worker that lives has told something


class FleetHistory:
    """`open` first, and `close` in the end. `ledger` is what all workers have done so far."""

    def __init__(self, state: StateDir, log: EventLog) -> None:
        self.ledger = Totals()
        self.error: str | None = None  # why the last minute is not on disk
        self.bytes = 0  # of the file
        self.dropped: dict[str, int] = {}  # why → how much has been lost
        self.counters = FleetCounters()
        self.facts: dict[str, Any] = {}  # what others want to be kept, by name
        self.began_at = time.time()
        self._state = state
        self._log = log
        self._throttled = Throttled(log)
        self._database = Database(state.history, DEFAULT_MAX_BYTES)
        self._work: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._events: list[dict[str, Any]] = []
        self._events_lock = threading.Lock()
        self._samples: dict[Key, list[list[float | None]]] = {}
        self._sampled_minute = 0
        self.written_minute = 0  # when the minute began that was under way at the last commit, POSIX seconds
        self._told_facts: dict[str, Any] = {}
        self._births: dict[int, str] = {}  # of the connected, by pid
        self._files: dict[Path, str] = {}  # last words that have been read, with their births
        self._known_files: set[Path] = set()  # that are still there
        self._forgettable: set[str] = set()
        self._has_collected = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Read what is there, or begin anew; blocks, never raises. Events that are not in it yet will be."""
        last = self._open()
        self.facts.setdefault("began_at", self.began_at)
        self._log.go_on_after(last)
        for event in self._log.after(last):
            self.note(event)

    def _open(self) -> int:
        """The number of its last event."""
        try:
            aside = self._database.open()
            try:
                last = self._load()
            except (sqlite3.DatabaseError, ValueError, KeyError, TypeError, IndexError) as error:
                if isinstance(error, sqlite3.Error) and not is_corrupt(error):
                    raise
                aside = f"{error}; it is kept as {self._database.set_aside().name}"
                self._database.open()
                last = self._load()
            if aside:
                self._throttled.add(f"the history could not be read, and begins anew: {aside}")
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            return 0
        return last

    def _load(self) -> int:
        self.ledger = self._database.load(self.began_at)
        self.facts = self._database.facts()
        self._told_facts = dict(self.facts)
        if "counters" in self.facts:
            self.counters.restore(self.facts["counters"])
        self.ledger.unseen = int(self.facts.get("unseen", 0))
        self.dropped = {str(why): int(count) for why, count in self.facts.get("dropped", {}).items()}
        return self._database.last_sequence()

    def start(self) -> None:
        """Begin to write, from the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_all, name="fleet-history", daemon=True)
        self._thread.start()

    def limit(self, max_bytes: int) -> None:
        """How large the file may be, from the next minute on."""
        self._database.max_bytes = max_bytes

    # What comes in

    def take(self, told: Statistics) -> None:
        """A line of a worker."""
        self._births[told.pid] = told.birth
        self.ledger.take(told, time.time())

    def window(self, seconds: float) -> tuple[float, dict[Key, list[float]]]:
        """The numbers of the last minutes, and how many seconds those were; not more than there is to tell of."""
        now = time.time()
        whole, numbers = self.ledger.window(seconds, now)
        return min(whole, max(1.0, now - self.facts["began_at"])), numbers

    def left(self, pids: Iterable[int]) -> None:
        """Note that processes are gone."""
        for pid in pids:
            self._births.pop(pid, None)

    def see_groups(self, groups: Mapping[str, tuple[str, int]]) -> None:
        """Pool and slots of the workers of each group; since when they are so is kept, 0: for as long as is known.

        What was counted before tells of another pool.
        """
        before, now = self.facts.get("groups", {}), time.time()
        after = {
            name: before[name]
            if name in before and before[name][:2] == [pool, slots]
            else [pool, slots, round(now, 3) if name in before else 0.0]
            for name, (pool, slots) in groups.items()
        }
        if after != before:
            self.facts["groups"] = after

    def note(self, event: Event) -> None:
        """From any thread."""
        with self._events_lock:
            self._events.append(event.to_dict())
            del self._events[:-_MOST_UNWRITTEN]

    def sample(self, status: Mapping[str, Any]) -> None:
        """How queues and groups are just now."""
        self._sampled_minute = _minute(time.time())
        for key, gauges in seen(status).items():
            self._samples.setdefault(key, []).append(gauges)

    def has_heard(self, pids: Iterable[int]) -> bool:
        """Whether all of these have told what they counted, so that no total is behind; or could have, long since."""
        late = time.time() - self.began_at > _LATE_SECONDS
        return late or (self._has_collected and all(pid in self._births for pid in pids))

    async def collect(self) -> None:
        """The last words of workers that have ended."""
        found = await asyncio.to_thread(collect, self._state, list(self._known_files))
        for path, told in found:
            self._files[path] = told.birth
            self._known_files.add(path)
            self.ledger.take(told, time.time())
        self._has_collected = True

    # What is written

    def commit(self) -> None:
        """Have everything written that is not on disk yet."""
        self._work.put(self._batch(time.time()))

    def close(self) -> None:
        """Write the rest, if that takes no longer than a moment."""
        self.commit()
        self._work.put(None)
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _batch(self, now: float) -> Batch:
        ledger = self.ledger
        changes = ledger.take_changes()
        batch = Batch(now)
        batch.totals = {
            key: (ledger.totals[key], ledger.last_success.get(key, 0.0)) for key in changes.totals
        }
        batch.baselines = {key: ledger.baselines[key] for key in changes.baselines if key in ledger.baselines}
        batch.errors = {key: ledger.errors[key] for key in changes.errors}
        batch.error_baselines = {
            key: ledger.error_baselines[key]
            for key in changes.error_baselines
            if key in ledger.error_baselines
        }
        batch.points = self._points(now)
        with self._events_lock:
            batch.events, self._events = self._events, []
        self.facts |= {
            "counters": self.counters.to_json(),
            "unseen": self.ledger.unseen,
            "dropped": dict(self.dropped),
        }
        batch.facts = {
            name: value for name, value in self.facts.items() if self._told_facts.get(name) != value
        }
        self._told_facts = dict(self.facts)
        batch.files, self._files = self._files, {}
        batch.forgotten, self._forgettable = self._forgettable, set()
        if now - self.began_at > _SETTLED_SECONDS:
            batch.alive = frozenset(self._births.values())
        return batch

    def _points(self, now: float) -> dict[tuple[Key, int], HistoryPoint]:
        """Of the minutes that may have changed: this one and, once, those before it."""
        found: dict[tuple[Key, int], HistoryPoint] = {}
        for at, minute in self.ledger.minutes.items():
            if at >= self.written_minute:
                found |= {(key, at): HistoryPoint(numbers, []) for key, numbers in minute.items()}
        for key, samples in self._samples.items():
            gauges = combined(key.kind, [HistoryPoint([], each) for each in samples]).gauges
            at = self._sampled_minute
            point = found.get((key, at), HistoryPoint([], []))._replace(gauges=gauges)
            if not point.is_idle or key.kind == "fleet":
                found[key, at] = point
        this = _minute(now)
        if self._sampled_minute < this:
            self._samples.clear()
        self.written_minute = this
        return found

    def _write_all(self) -> None:
        """In its own thread."""
        pending: Batch | None = None
        while (batch := self._work.get()) is not None:
            if pending is None:
                pending = batch
            else:
                pending.add(batch)
                self._bound(pending)
            try:
                self._write(pending)
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
                continue
            self.error, self.bytes = None, self._size()
            done, pending = pending, None
            if self._loop is not None:
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._written, done)
        self._database.close()

    def _write(self, batch: Batch) -> None:
        try:
            self._database.write(batch)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            kept = self._database.set_aside()
            self._throttled.add(
                f"the history is damaged ({error}), and begins anew; it is kept as {kept.name}"
            )
            # All that is known, not only what has changed: totals go on counting.
            ledger = self.ledger
            batch.totals = {
                key: (numbers, ledger.last_success.get(key, 0.0))
                for key, numbers in list(ledger.totals.items())
            }
            batch.baselines = dict(list(ledger.baselines.items()))
            batch.errors = dict(list(ledger.errors.items()))
            batch.error_baselines = dict(list(ledger.error_baselines.items()))
            batch.facts = dict(list(self.facts.items()))
            self._database.write(batch)

    def _size(self) -> int:
        try:
            return self._database.size()
        except (OSError, sqlite3.Error):
            return 0

    def _bound(self, pending: Batch) -> None:
        for what in (pending.points, pending.events):
            if (many := len(what) - _MOST_UNWRITTEN) <= 0:
                continue
            self.dropped["disk"] = self.dropped.get("disk", 0) + many
            if isinstance(what, dict):
                for key in list(what)[:many]:
                    del what[key]
            else:
                del what[:many]

    def _failed(self, error: Exception) -> None:
        self.error = str(error) or type(error).__name__
        self._throttled.add(f"could not write the history: {self.error}; it is tried again every minute")

    def _written(self, batch: Batch) -> None:
        """In the event loop: what workers have left behind is on disk, and what they told needs no baseline."""
        remove(batch.files)
        self._known_files -= batch.files.keys()
        # Only now, and from the file with the next batch: who is killed in between finds the file or the baseline.
        births = set(batch.files.values())
        self._forgettable |= births
        self.ledger.forget(births)

    def tidy(self) -> None:
        """Not in the event loop."""
        tidy(self._state)


def _minute(now: float) -> int:
    return int(now // 60) * 60


def gauges(kind: str, point: HistoryPoint) -> dict[str, float | None]:
    """By name."""
    return {name: value for (name, _), value in zip(GAUGES[kind], point.gauges, strict=False)}
