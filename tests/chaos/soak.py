"""Hours of steady work with a cut or an edit now and then, and whether memory and descriptors stay flat."""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

from tests.chaos.brokers import BrokerUnderFire, under_fire
from tests.chaos.fleet_side import FleetUnderFire
from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.processes import Process
from tests.chaos.schedule import EDITS, Fault
from tests.support import ROOT, eventually

_SAMPLES = 200
_MIB = 1024 * 1024
# What an allocator may still do late: a page here and there, an arena once. A leak of 100 bytes a message is more.
_SPARE_BYTES, _SPARE_SHARE, _SPARE_DESCRIPTORS = 3 * _MIB, 0.05, 3
_FAULTS_PER_SOAK = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process at one moment."""

    resident_bytes: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Course:
    """One process over the soak: medians of its second and its last quarter."""

    role: str
    pid: int
    before: Sample
    after: Sample

    @property
    def is_flat(self) -> bool:
        spare = max(_SPARE_BYTES, self.before.resident_bytes * _SPARE_SHARE)
        return (
            self.after.resident_bytes - self.before.resident_bytes <= spare
            and self.after.descriptors - self.before.descriptors <= _SPARE_DESCRIPTORS
        )

    def text(self) -> str:
        before, after = self.before, self.after
        return (
            f"| {self.role} | {before.resident_bytes / _MIB:.1f} → {after.resident_bytes / _MIB:.1f} MiB "
            f"| {before.descriptors} → {after.descriptors} | {'flat' if self.is_flat else 'GROWS'} |"
        )


@dataclass(frozen=True, slots=True)
class Report:
    messages: int
    undone: int
    courses: Sequence[Course]

    @property
    def is_flat(self) -> bool:
        return self.undone == 0 and bool(self.courses) and all(course.is_flat for course in self.courses)

    def text(self) -> str:
        head = f"{self.messages:,} messages, {self.undone} not done\n\n"
        columns = "| process | resident | descriptors | |\n| --- | --- | --- | --- |\n"
        return head + columns + "\n".join(course.text() for course in self.courses)


def courses(samples: Mapping[int, Sequence[Sample]], roles: Mapping[int, str]) -> list[Course]:
    """Of the processes that were there all the time."""
    longest = max(map(len, samples.values()), default=0)
    return [
        Course(roles[pid], pid, _median(each[longest // 4 : longest // 2]), _median(each[-longest // 4 :]))
        for pid, each in sorted(samples.items())
        if len(each) == longest
    ]


def _median(samples: Iterable[Sample]) -> Sample:
    several = list(samples)
    return Sample(
        int(median(each.resident_bytes for each in several)),
        int(median(each.descriptors for each in several)),
    )


def run(broker_name: str, pool: str, seconds: float, rate: float, folder: Path) -> Report:
    """A fleet of two workers for `seconds`. Raises AssertionError when it does not start or end."""
    work = Work(int(seconds * rate), 1, 0.002, rate, long_seconds=0.5, share_at_once=0.0)
    with under_fire(broker_name, folder) as broker:
        side = FleetUnderFire(folder, broker, pool)
        try:
            side.start()
            watched = _watch(side, broker, work, seconds, folder)
            reading = Reading(folder / "journal")
            eventually(lambda: len(reading.read().done) == work.count, within=120, message="all done")
        finally:
            side.stop()
    return Report(work.count, work.count - len(reading.read().done), watched)


def _watch(
    side: FleetUnderFire, broker: BrokerUnderFire, work: Work, seconds: float, folder: Path
) -> list[Course]:
    samples: dict[int, list[Sample]] = defaultdict(list)
    roles: dict[int, str] = {}
    kinds = cycle(("comment", "invalid") if broker.name == "sqlite" else ("cut", "comment", "invalid"))
    begun = time.monotonic()
    disturb_at = begun + seconds / _FAULTS_PER_SOAK
    with (folder / "publisher.log").open("wb") as log:
        publisher = subprocess.Popen(
            side.publisher(work),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **side.publishing()},
            stdout=log,
            stderr=log,
        )
    try:
        while publisher.poll() is None:
            side.tend()
            for process in side.processes():
                if (sample := _sample(process)) is not None:
                    roles[process.pid] = process.role
                    samples[process.pid].append(sample)
            if time.monotonic() > disturb_at:
                disturb_at += seconds / _FAULTS_PER_SOAK
                _disturb(next(kinds), side, broker)
            time.sleep(seconds / _SAMPLES)
        assert publisher.returncode == 0, f"the publisher failed: see {folder}/publisher.log"
    finally:
        publisher.kill()
        publisher.wait()
    return courses(samples, roles)


def _disturb(kind: str, side: FleetUnderFire, broker: BrokerUnderFire) -> None:
    if kind in EDITS:
        side.strike(Fault(kind, 0, 0.0, 0.5))
    else:
        broker.strike(Fault(kind, 0, 0.0, 0.5))


def _sample(process: Process) -> Sample | None:
    folder = Path(f"/proc/{process.pid}")
    try:
        pages = int((folder / "statm").read_text().split()[1])
        return Sample(pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir())))
    except OSError:
        return None  # it has ended
