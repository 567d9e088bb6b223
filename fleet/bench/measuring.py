"""Measuring one task at one setting: a worker is started, gets as many messages as are needed, and is timed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from fleet.advice.measured import Alone, Cell, PoolSetting, delayed_in_tasks
from fleet.bench.bench_worker import BenchFailed, BenchWorker, bench_spec
from fleet.bench.process_facts import ProcessFacts, cpu_times, idle_part, of_session
from fleet.launch_specs import WorkerSpec

START_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_TOLD = 900  # of those that have ended a worker remembers 1,000
_WAVES = 3
_MOST_MESSAGES = 8_000
_ALONE = 200  # messages, where they take no time
_WARM_UP = 2
_LAST_SECONDS = 1.5
_LATE_SECONDS = 5.0


class Subject(NamedTuple):
    """What is measured: a task with calls of it (args, kwargs), and its group's settings.

    `queue`: where it comes to in the file.
    """

    task: str
    calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]
    group: WorkerSpec
    is_async: bool
    queue: str | None = None


class CounterReading(NamedTuple):
    """A worker's counters at one moment."""

    at: float
    ended: float
    wall: float
    cpu: float


class TaskFails(Exception):  # noqa: N818
    """Each call of it fails: there is nothing to time."""


def measure_alone(subject: Subject, seconds: float) -> Alone:
    """One after the other, for so long, one at least. Raises BenchFailed, TaskFails."""
    with _worker(subject, PoolSetting("solo", 1)) as worker:
        worker.publish(subject.task, islice(cycle(subject.calls), _WARM_UP))
        before = _facts(worker)
        worker.go()
        looks = _until(worker, subject, _WARM_UP, time.monotonic() + max(seconds, 600.0))
        ended = worker.ask_ended(2.0)
        _refuse_failures(subject, ended)
        first = looks[-1]
        # What was imported late is in the first call, and not in the second.
        took = _walls(ended)[-1]
        more = min(_ALONE, int(seconds / max(took, 1e-4)))
        if more < 1:
            return _alone(worker, before, first, ended, subject)
        middle = _facts(worker)
        began = time.monotonic()
        worker.publish(subject.task, islice(cycle(subject.calls), more))
        looks = _until(worker, subject, _WARM_UP + more, began + seconds + took)
        ended = worker.ask_ended(2.0)[_WARM_UP:]
        _refuse_failures(subject, ended)
        found = _alone(worker, middle, looks[-1]._replace(ended=looks[-1].ended - _WARM_UP), ended, subject)
        return found._replace(
            memory=max(0.0, of_session(_pid(worker)).peak - before.memory), base=before.memory
        )


def _alone(
    worker: BenchWorker,
    before: ProcessFacts,
    last: CounterReading,
    ended: Sequence[dict[str, Any]],
    subject: Subject,
) -> Alone:
    spent = _facts(worker).since(before)
    walls = _walls(ended)
    count = max(1.0, last.ended)
    wall = sum(walls) / len(walls)
    begun = min(each["begun"] for each in ended)
    span = max(each["begun"] + each["wall"] for each in ended) - begun
    in_task = last.cpu / (last.ended or 1)
    # Processes that it starts, and threads of libraries, compute for it as well.
    cpu = max(min(in_task, wall), spent.cpu / count if wall > 0.02 else 0.0)
    return Alone(
        wall=wall,
        slow=max(walls),
        cpu=cpu,
        delayed=min(max(0.0, wall - cpu), delayed_in_tasks(spent.delayed, cpu * count, spent.cpu) / count),
        memory=max(0.0, spent.peak - before.memory),
        base=before.memory,
        rate=len(walls) / span if span > 0 else 1 / max(wall, 1e-6),
        times=len(walls),
        is_async=subject.is_async,
    )


def measure(subject: Subject, setting: PoolSetting, alone: Alone, seconds: float) -> Cell:
    """At that setting, for about so long; whole waves where a task takes long. Raises BenchFailed."""
    wave = setting.concurrency
    ideal = wave / max(alone.wall, 1 / 20_000)
    waves = _WAVES if alone.slow * _WAVES <= seconds else 1
    number = max(waves * wave, min(_MOST_MESSAGES, int(ideal * seconds)))
    with _worker(subject, setting) as worker:
        worker.publish(subject.task, islice(cycle(subject.calls), number))
        before, cpus, began = _facts(worker), cpu_times(), time.monotonic()
        worker.go()
        until = time.monotonic() + max(seconds, alone.slow * (waves + 0.5)) + 0.5
        looks = _until(worker, subject, number, until, until + _LATE_SECONDS)
        idle = idle_part(cpus, cpu_times())
        ended = worker.ask_ended(2.0)
        after = _facts(worker)
    failed = [each for each in ended if each["outcome"] != "succeeded"]
    if not ended:
        raise BenchFailed(f"nothing ended within {time.monotonic() - began:.0f} s")
    walls = sorted(_walls(ended))
    return Cell(
        setting=setting,
        rates=(_rate(looks, ended, wave),),
        p50=walls[len(walls) // 2],
        p99=walls[min(len(walls) - 1, int(len(walls) * 0.99))],
        cpu=(after.cpu - before.cpu) / max(1.0, looks[-1].ended),
        memory=after.peak or float(worker.report.rss_bytes if worker.report else 0),
        times=int(looks[-1].ended),
        failed=len(failed),
        trouble=str(failed[0]["reason"]) if failed else "",
        idle_cpu=idle,
    )


def _rate(looks: Sequence[CounterReading], ended: Sequence[dict[str, Any]], wave: int) -> float:
    """Tasks a second from the end of the first wave on; of a single wave, from its beginning."""
    ends = sorted(float(each["begun"]) + float(each["wall"]) for each in ended)
    count = len(ends)
    if looks[-1].ended > _TOLD:  # not all are remembered: by what was counted meanwhile
        whole = looks[-1].ended
        if whole < 2 * wave:  # they began together, and end together
            return whole / max(1e-6, looks[-1].at - looks[0].at)
        low = next(each for each in looks if each.ended >= min(wave, whole / 4))
        high = next(each for each in looks if each.ended >= whole - min(wave, whole / 4))
        if high.at > low.at:
            return (high.ended - low.ended) / (high.at - low.at)
        return whole / max(1e-6, high.at - looks[0].at)
    if (
        count >= 2 * wave and ends[-1] > ends[wave - 1]
    ):  # of a few beyond the first wave the rate would be an accident
        return (count - wave) / (ends[-1] - ends[wave - 1])
    began = min(float(each["begun"]) for each in ended)
    return count / max(1e-6, ends[-1] - began)


@contextmanager
def _worker(subject: Subject, setting: PoolSetting) -> Iterator[BenchWorker]:
    """One that is ready."""
    with tempfile.TemporaryDirectory(prefix="fleet-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        worker = BenchWorker(bench_spec(subject.group, setting, folder), folder)
        try:
            worker.start()
            worker.wait_ready(time.monotonic() + START_SECONDS)
            yield worker
        finally:
            worker.stop(_LAST_SECONDS)


def _until(
    worker: BenchWorker, subject: Subject, number: float, until: float, at_last: float = 0.0
) -> list[CounterReading]:
    """Looks at its counters until `number` have ended, or the time is up; the first one is from before.

    `at_last`: until then where not one has ended, for with many at once all of them may take longer.
    """
    looks = [_look(worker, subject.task)]
    while looks[-1].ended < number and time.monotonic() < (until if looks[-1].ended else max(until, at_last)):
        worker.ask_report()
        worker.listen(_LOOK_SECONDS)
        look = _look(worker, subject.task)
        if look.ended != looks[-1].ended:
            looks.append(look)
        time.sleep(_LOOK_SECONDS / 5)
    return looks


def _look(worker: BenchWorker, task: str) -> CounterReading:
    counted = (worker.report.tasks if worker.report else {}).get(task, (0.0, 0.0, 0.0))
    return CounterReading(time.monotonic(), *counted)


def _walls(ended: Sequence[dict[str, Any]]) -> list[float]:
    return [float(each["wall"]) for each in ended]


def _refuse_failures(subject: Subject, ended: Sequence[dict[str, Any]]) -> None:
    bad = [each for each in ended if each["outcome"] != "succeeded"]
    if not ended:
        raise TaskFails(f"{subject.task} did not end")
    if bad:
        raise TaskFails(f"{subject.task} fails ({len(bad)} of {len(ended)}): {bad[-1]['reason']}")


def _facts(worker: BenchWorker) -> ProcessFacts:
    return of_session(_pid(worker))


def _pid(worker: BenchWorker) -> int:
    assert worker.process is not None
    return worker.process.pid
