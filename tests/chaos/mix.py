"""One run: publish, strike, wait until all is done, stop, judge."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.chaos.brokers import BrokerUnderFire, Left, under_fire
from tests.chaos.celery_side import CeleryUnderFire
from tests.chaos.census import Census
from tests.chaos.excuses import ByJournal, Excuses, always, hits_leases
from tests.chaos.fleet_side import LEASE_SECONDS, FleetUnderFire
from tests.chaos.journal import Reading
from tests.chaos.messages import Work, number_in
from tests.chaos.rabbit import RabbitUnderFire
from tests.chaos.schedule import TROUBLE, Fault, schedule
from tests.chaos.setups import PLAIN, Setup
from tests.chaos.sides import Side
from tests.chaos.strikes import Strike
from tests.chaos.verdict import Verdict, judge, judge_dead, some
from tests.chaos.witness import ByWire
from tests.support import ROOT, eventually

_STALLED_SECONDS = 180.0  # above a visibility timeout and what kombu takes on top of it
_STUCK_SECONDS = 45.0
_HOPELESS_SECONDS = 10.0
_EMPTY_SECONDS = 60.0  # leases of the dead have run out by then
_LOOK_SECONDS = 0.02
_COUNT_EVERY_SECONDS = {"sqlite": 1.0, "redis": 1.0, "amqp": 3.0}  # RabbitMQ's tool is a heavy one

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
    setup: Setup = PLAIN
    runs_celery: bool = False  # a Celery app in the fleet

    def schedule(self) -> list[Fault]:
        kinds = self.kinds or self.setup.kinds(self.broker, self.pool)
        return schedule(self.work.seed, kinds, self.faults, self.work.count, self.fault_seconds)


def celery_mix(mix: Mix) -> Mix:
    """The same with a Celery app, whose retries are new messages and whose failures are results, no dead letters."""
    return replace(mix, runs_celery=True, work=replace(mix.work, again_every=0, fail_every=0))


def run(
    mix: Mix,
    folder: Path,
    say: Say = lambda _: None,
    environment: Mapping[str, str] | None = None,
) -> Verdict:
    """Against a fleet; `environment` is more of it for the fleet's processes."""
    with under_fire(mix.broker, folder, mix.setup) as broker:
        side = FleetUnderFire(
            *(folder, broker, mix.pool),
            prefetch=mix.prefetch,
            setup=mix.setup,
            environment=environment,
            runs_celery=mix.runs_celery,
        )
        this = Run(mix, folder, broker, side, say)
        if isinstance(broker, RabbitUnderFire):
            this.excuses = this.witness = ByWire(
                this.reading, this.strikes, broker.wire, mix.setup.habits, mix.work.failing()
            )
        else:
            this.excuses = ByJournal(this.reading, this.strikes, hits_leases(LEASE_SECONDS))
        return this.to_the_end()


def run_celery(mix: Mix, folder: Path, say: Say = lambda _: None, *, reject: bool) -> Verdict:
    """Against Celery workers, with late acks; nothing is promised, so all that they do again is only counted."""
    with under_fire(mix.broker, folder) as broker:
        side = CeleryUnderFire(folder, broker.url, reject=reject)
        this = Run(mix, folder, broker, side, say)
        this.excuses = ByJournal(this.reading, this.strikes, always)
        return this.to_the_end()


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
    witness: ByWire | None = None

    def __post_init__(self) -> None:
        self.reading = Reading(self.folder / "journal")
        self.excuses: Excuses = ByJournal(self.reading, self.strikes, always)
        self.census = Census(self.broker.holds, self._most, _COUNT_EVERY_SECONDS[self.mix.broker])

    def to_the_end(self) -> Verdict:
        problems: list[str] = []
        left = Left(0, 0, 0)
        dead: list[bytes] = []
        try:
            self.side.start()
            try:
                self.broker.settle()
                with self.census:
                    self._until_done()
                    self._until_empty()
            finally:
                self.side.stop()
                left = eventually(lambda: (self.broker.left(),), within=30)[0]
                dead = self.broker.dead()
        except AssertionError as error:
            problems.append(str(error))
        finally:
            over = self.side.left_over()
            self.side.kill_all()
        work = self.mix.work
        verdict = judge(work, self.reading.read(), self.strikes, self.excuses)
        verdict.problems += problems
        verdict.problems += judge_dead(work.failing(), [number_in(body) for body in dead], self.reading)
        verdict.rescues = self.rescues
        if self.census.problem:
            verdict.problems.append(self.census.problem)
        if self.witness is not None:
            story = self.witness.evidence(range(work.count))
            (self.folder / "wire").write_text("".join(f"{line}\n" for line in story))
        if self.witness is not None and (multiplied := self.witness.multiplied()):
            verdict.problems.append(f"{len(multiplied)} handed on and kept: {some(multiplied)}")
            verdict.evidence += self.witness.evidence(multiplied[:10])
        if left.ready or left.unacked:
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
        began = time.monotonic()
        killed = (self.broker if fault.kind in TROUBLE else self.side).strike(fault)
        strike = Strike(fault.kind, began, time.monotonic(), killed)
        self.strikes.append(strike)
        victims = f", killed {', '.join(map(str, sorted(killed)))}" if killed else ""
        done, sent = len(self.reading.done), len(self.reading.sent)
        self.say(f"{done:6} done of {sent}: {fault.kind} ({strike.ended - began:.1f} s){victims}")

    def _until_empty(self) -> None:
        """What faults have doubled is still to be done; and nothing may stay claimed.

        A copy that has just been claimed, or put back, is in neither of two counts taken one after the other: so
        it is empty when both say so, and again.
        """

        def empty() -> bool:
            self.side.tend()
            return all(self._holds_nothing() for _ in range(2))

        def what() -> str:
            try:
                return str(self.broker.left())
            except AssertionError as error:
                return str(error)

        try:
            eventually(empty, within=_EMPTY_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"something stays in the queue: {what()}") from error

    def _holds_nothing(self) -> bool:
        left = self.broker.left()
        # RabbitMQ's own tool counts what a silent connection holds, but takes a second: asked last.
        return left.ready == left.unacked == 0 and self.broker.is_empty()

    def _most(self) -> int:
        """How many messages may be on the broker: all that were brought, and what faults have doubled."""
        if self.witness is not None:
            return self.witness.most_held()
        sent = Reading(self.folder / "journal").read().sent.values()
        in_doubt = sum(strike.kind in TROUBLE for strike in list(self.strikes))
        return sum(2 * each.tries - 1 for each in sent) + in_doubt + 2
