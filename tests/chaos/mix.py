"""One run: publish, strike, wait until all is done, stop, judge."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.brokers import BrokerUnderFire, Left, under_fire
from tests.chaos.celery_side import CeleryUnderFire
from tests.chaos.fleet_side import LEASE_SECONDS, FleetUnderFire
from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.schedule import FILE, SERVER, Fault, kinds_for, schedule
from tests.chaos.sides import Side
from tests.chaos.verdict import Hits, Strike, Verdict, always, hits_in_fleet, judge
from tests.support import ROOT, eventually

_STALLED_SECONDS = 180.0  # above a visibility timeout and what kombu takes on top of it
_STUCK_SECONDS = 45.0
_HOPELESS_SECONDS = 10.0
_EMPTY_SECONDS = 60.0  # leases of the dead have run out by then
_LOOK_SECONDS = 0.02

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is done to whom. `kinds` empty: all that apply."""

    broker: str
    pool: str
    work: Work
    faults: int
    kinds: tuple[str, ...] = ()
    prefetch: int | str = "auto"
    fault_seconds: tuple[float, float] = (0.3, 2.0)

    def schedule(self) -> list[Fault]:
        kinds = self.kinds or kinds_for(self.broker, self.pool)
        return schedule(self.work.seed, kinds, self.faults, self.work.count, self.fault_seconds)


def run(mix: Mix, folder: Path, say: Say = lambda _: None) -> Verdict:
    """Against a fleet."""
    with under_fire(mix.broker, folder) as broker:
        side = FleetUnderFire(folder, broker.url, mix.pool, prefetch=mix.prefetch)
        return Run(mix, folder, broker, side, say).to_the_end(hits_in_fleet(mix.broker, LEASE_SECONDS))


def run_celery(mix: Mix, folder: Path, say: Say = lambda _: None, *, reject: bool) -> Verdict:
    """Against Celery workers, with late acks; nothing is promised, so all that they do again is only counted."""
    with under_fire(mix.broker, folder) as broker:
        side = CeleryUnderFire(folder, broker.url, reject=reject)
        return Run(mix, folder, broker, side, say).to_the_end(always)


@dataclass
class Run:
    """One mix on its way."""

    mix: Mix
    folder: Path
    broker: BrokerUnderFire
    side: Side
    say: Say
    strikes: list[Strike] = field(default_factory=list)
    rescues: int = 0

    def __post_init__(self) -> None:
        self.reading = Reading(self.folder / "journal")

    def to_the_end(self, hits: Hits) -> Verdict:
        problems: list[str] = []
        left = Left(0, 0, 0)
        try:
            self.side.start()
            try:
                self.broker.settle()
                self._until_done()
                self._until_empty()
            finally:
                self.side.stop()
                left = eventually(self.broker.left, within=30)
        except AssertionError as error:
            problems.append(str(error))
        finally:
            over = self.side.left_over()
            self.side.kill_all()
        verdict = judge(self.mix.work.count, self.reading.read(), self.strikes, hits)
        verdict.problems += problems
        verdict.rescues = self.rescues
        if left != Left(0, 0, 0):
            verdict.problems.append(f"left on the broker: {left}")
        if over:
            verdict.problems.append(f"left over: {over}")
        return verdict

    def _until_done(self) -> None:
        with (self.folder / "publisher.log").open("wb") as log:
            publisher = subprocess.Popen(
                self.side.publisher(self.mix.work),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.side.publishing()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._strike_and_wait(publisher)
        finally:
            publisher.kill()
            publisher.wait()

    def _strike_and_wait(self, publisher: subprocess.Popen[bytes]) -> None:
        faults = deque(self.mix.schedule())
        moved, seen = time.monotonic(), (0, 0)
        while True:
            self.side.tend()
            done = len(self.reading.read().done)
            if seen != (seen := (done, len(self.reading.sent))):
                moved = time.monotonic()
            ended = publisher.poll()
            assert ended in (None, 0), f"the publisher failed: see {self.folder}/publisher.log"
            if ended == 0 and not faults and (done == self.mix.work.count or self._is_hopeless(moved)):
                return
            if faults and done >= faults[0].after:
                self._strike(faults.popleft())
                moved = time.monotonic()
            elif self._is_stuck(moved):
                self.say(f"{done:6} done: stuck, restarted by hand")
                self.rescues += 1
                self.side.rescue()
                moved = time.monotonic()
            else:
                time.sleep(_LOOK_SECONDS)

    def _is_stuck(self, moved: float) -> bool:
        """Messages are there and nobody takes them. Raises AssertionError when nothing will ever move."""
        idle = time.monotonic() - moved
        assert idle < _STALLED_SECONDS, (
            f"stalled: {len(self.reading.done)} done, {len(self.reading.sent)} sent"
        )
        return idle > _STUCK_SECONDS and self.broker.left().ready > 0

    def _is_hopeless(self, moved: float) -> bool:
        """The broker has nothing left, so what is not done by now never will be."""
        return time.monotonic() - moved > _HOPELESS_SECONDS and self.broker.is_empty()

    def _strike(self, fault: Fault) -> None:
        began, killed = time.monotonic(), frozenset[int]()
        if fault.kind in (*SERVER, *FILE):
            self.broker.strike(fault.kind, fault.seconds)
        else:
            killed = self.side.strike(fault)
        strike = Strike(fault.kind, began, time.monotonic(), killed)
        self.strikes.append(strike)
        victims = f", killed {', '.join(map(str, sorted(killed)))}" if killed else ""
        done, sent = len(self.reading.done), len(self.reading.sent)
        self.say(f"{done:6} done of {sent}: {fault.kind} ({strike.ended - began:.1f} s){victims}")

    def _until_empty(self) -> None:
        """What faults have doubled is still to be done; and nothing may stay claimed."""

        def empty() -> bool:
            self.side.tend()
            left = self.broker.left()
            # RabbitMQ's own tool counts what a silent connection holds, but takes a second: asked last.
            return left.ready == 0 and left.unacked == 0 and (left.dead > 0 or self.broker.is_empty())

        eventually(empty, within=_EMPTY_SECONDS, message=f"nothing left in the queue: {self.broker.left()}")
