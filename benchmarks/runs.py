"""One measurement of one contender each: preload, start, watch, end. What comes back is a dict of numbers."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import marks
from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.ideal import LONG_SECONDS, Ran, extra_waits
from benchmarks.processes import ROOT, Failed, Tree, cpu_seconds, pss_megabytes, wait_for, wakeups

Numbers = dict[str, float]
_STILL_SECONDS, _MOST_SECONDS = 30.0, 300.0
_serial = itertools.count()


class Bench:
    """A place for one run of a contender: queue, folder of marks, environment."""

    def __init__(self, contender: Contender, brokers: Brokers) -> None:
        self.contender, self.brokers = contender, brokers
        self.queue = f"bench-{os.getpid()}-{next(_serial)}"
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
        self.marks = self.folder / "marks"
        self.marks.mkdir()
        self.url = brokers.urls[contender.broker]
        self.environment = contender.environment(self.url, self.queue, self.marks)
        if broker := contender.settings.get("BENCH_RESULTS"):
            self.environment["BENCH_RESULTS"] = brokers.urls[broker]
        self.queues = [self.queue]  # that are to be forgotten

    def prepare(self) -> None:
        if self.contender.library in ("fleet", "fleet_celery", "raw"):
            self.side("launch", str(self.folder))
            self.environment["FLEET_ROUTING"] = str(self.folder / "routing.json")

    def side(self, *arguments: str, library: str = "") -> str:
        """What `benchmarks.side` prints. `library`: default, that of the contender; a raw client's is fleet."""
        library = library or ("fleet" if self.contender.library == "raw" else self.contender.library)
        ended = subprocess.run(
            [self.contender.python, "-m", "benchmarks.side", library, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
            check=False,
            start_new_session=True,  # Ctrl-C is for us
        )
        if ended.returncode != 0:
            raise Failed(f"{' '.join(arguments)} ended with {ended.returncode}")
        return ended.stdout

    def worker(self) -> Tree:
        return Tree(self.contender.command(self.queue, self.folder), self.environment, self.folder)

    def close(self) -> None:
        self.brokers.forget(self.contender.broker, self.queues)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def bench(contender: Contender, brokers: Brokers) -> Iterator[Bench]:
    place = Bench(contender, brokers)
    try:
        place.prepare()
        yield place
    finally:
        place.close()


class Reached(NamedTuple):
    """Tasks done, when (monotonic), and CPU seconds used up to then."""

    done: int
    at: float
    cpu: float


def watch(place: Bench, worker: Tree, number: int, *, processes: int = 1) -> Reached:
    """Wait until `number` tasks have been done, and each of so many processes has done one."""
    began = time.monotonic()
    last, moved = 0, began
    while True:
        numbers, now = marks.read(place.marks), time.monotonic()
        done = sum(each[marks.DONE] for each in numbers)
        if done >= number and len(numbers) >= processes:
            return Reached(done, now, cpu_seconds(worker.pids))
        if done != last:
            last, moved = done, now
        if now - moved > _STILL_SECONDS or now - began > _MOST_SECONDS or not worker.alive():
            raise Failed(f"{place.contender.name}: {done} of {number}\n{worker.log.read_text()[-2000:]}")
        time.sleep(0.005)


def rates(begin: Reached, end: Reached) -> Numbers:
    tasks = end.done - begin.done
    return {
        "tasks_per_second": tasks / (end.at - begin.at),
        "cpu_seconds_per_1000": (end.cpu - begin.cpu) / tasks * 1000,
    }


def throughput(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    """Tasks per second between 10 % and 90 % of what was preloaded, and what they cost."""
    number = max(500, int(contender.rate * seconds))
    with bench(contender, brokers) as place:
        place.side("preload", str(number), "noop")
        with place.worker() as worker:
            begin, end = watch(place, worker, number // 10), watch(place, worker, number * 9 // 10)
            return {
                **rates(begin, end),
                "start_seconds": first_task(place) - worker.began,
                "pss_megabytes": pss_megabytes(worker.pids),
            }


def first_task(place: Bench) -> float:
    """When it began (monotonic)."""
    return min(numbers[marks.FIRST] for numbers in marks.read(place.marks)) / 1e9


def first_to_last(place: Bench) -> float:
    """Seconds from the first task's begin to the last one's end."""
    return max(numbers[marks.LAST] for numbers in marks.read(place.marks)) / 1e9 - first_task(place)


def io(contender: Contender, brokers: Brokers, number: int, seconds: float) -> Numbers:
    """From the first task's begin to the last one's end."""
    with bench(contender, brokers) as place:
        place.side("preload", str(number), "pause", str(seconds))
        with place.worker() as worker:
            watch(place, worker, number)
            return {
                "seconds": first_to_last(place),
                "cpu_seconds": cpu_seconds(worker.pids),
                "pss_megabytes": pss_megabytes(worker.pids),
            }


def latency(contender: Contender, brokers: Brokers, number: int) -> Numbers:
    """Publish → start on an idle worker, one task every 20 ms."""
    with bench(contender, brokers) as place, place.worker() as worker:
        place.side("preload", "1", "noop")
        watch(place, worker, 1)
        place.side("latency", str(number))
        wait_for(lambda: len(marks.listed(place.marks)) >= number, 30, f"{contender.name}: stamps")
        return spread([wait for (wait,) in marks.listed(place.marks)])


def spread(nanoseconds: list[int], prefix: str = "") -> Numbers:
    ordered = sorted(each / 1e6 for each in nanoseconds)
    return {
        f"{prefix}p50_ms": statistics.median(ordered),
        f"{prefix}p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    }


def publish(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    with bench(contender, brokers) as place:
        number = str(int(contender.rate * seconds))
        if contender.library == "raw":
            place.side("preload", "1", "noop")  # declares the queue
        found = {"per_second": float(place.side("publish", number, library=contender.library))}
        if contender.library == "fleet":
            found["batch_per_second"] = float(place.side("batch", str(int(number) * 8)))
        return found


def idle(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    """What a worker costs that has run one task and now waits."""
    with bench(contender, brokers) as place, place.worker() as worker:
        place.side("preload", "1", "noop")
        watch(place, worker, 1)
        time.sleep(3.0)
        pids = worker.pids
        asked = [brokers.redis_requests() for _ in range(2)] if contender.broker == "redis" else []
        began, cpu, woken = time.monotonic(), cpu_seconds(pids), wakeups(pids)
        time.sleep(seconds)
        took = time.monotonic() - began
        found = {
            "cpu_percent": (cpu_seconds(pids) - cpu) / took * 100,
            "wakeups_per_second": (wakeups(pids) - woken) / took,
            "pss_megabytes": pss_megabytes(pids),
        }
        if contender.broker == "redis":
            # Less what asking costs itself, as seen when nothing was between.
            others = brokers.redis_requests() - asked[1] - (asked[1] - asked[0])
            found["redis_requests_per_second"] = max(0, others) / took
        return found


def fairness(contender: Contender, brokers: Brokers, number: int) -> Numbers:
    """How much longer short tasks wait with long ones among them than an ideal scheduler would let them."""
    with bench(contender, brokers) as place, place.worker() as worker:
        place.side("preload", "1", "noop")
        watch(place, worker, 1)
        place.side("mix", str(number))
        wait_for(lambda: len(marks.listed(place.marks)) >= number, 60, f"{contender.name}: tasks")
        tasks = [Ran(*numbers) for numbers in marks.listed(place.marks)]
        waits = extra_waits(tasks, contender.concurrency, int(LONG_SECONDS * 5e8))
        return {**spread(waits, "extra_"), "extra_most_ms": max(waits) / 1e6}
