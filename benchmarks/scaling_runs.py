"""One measurement of one cell each; see `scaling`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from benchmarks import fleets, marks
from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.processes import Failed, Tree, pss_megabytes
from benchmarks.runs import Bench, Numbers, bench, first_task, first_to_last, rates, watch
from benchmarks.scaling import MOST_BYTES, Cell

_WAVES = {10: 10, 1000: 3}  # how often that many are queued
_QUICK_MILLION = 100_000
# The last ack is done by then. Stopped within it a worker would keep the lock of the SQLite file.
_SETTLING_SECONDS = 0.3


def of_a_cell(contender: Contender) -> Cell:
    assert isinstance(contender, Cell)
    return contender


def replicas(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    """From when every worker has had a task, so that their start does not count."""
    cell = of_a_cell(contender)
    # The first ones run alone while the others start; on two CPUs that takes some tenths of a second each.
    number = int(cell.rate * (seconds + 0.5 * cell.replicas))
    with bench(cell, brokers) as place:
        place.side("preload", str(number), *cell.task)
        with Tree(_workers(place, cell), place.environment, place.folder) as workers:
            begin = watch(place, workers, number // 10, processes=cell.replicas)
            if begin.done > number * 2 // 3:
                raise Failed(f"{begin.done} of {number} were done before every worker had had one")
            end = watch(place, workers, number * 9 // 10)
            return {**rates(begin, end), "pss_megabytes": pss_megabytes(workers.pids)}


def _workers(place: Bench, cell: Cell) -> Sequence[str]:
    if cell.library == "fleet":
        group = fleets.Group("w", place.queue, cell.pool, cell.concurrency, cell.replicas)
        file = fleets.write_fleet(place.folder, place.url, [group])
        return fleets.fleet_command(cell, "up", "-f", file)
    one = " ".join(cell.command(place.queue, place.folder))
    each = " ".join(map(str, range(cell.replicas)))
    return ["sh", "-c", f"for number in {each}; do {one} -n w$number@bench & done; wait"]


def forks(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    """Tasks per second between 10 % and 90 %."""
    cell = of_a_cell(contender)
    number = int(cell.rate * seconds)
    with bench(cell, brokers) as place:
        place.side("preload", str(number), *cell.task)
        with place.worker() as worker:
            begin, end = watch(place, worker, number // 10), watch(place, worker, number * 9 // 10)
            return {**rates(begin, end), "pss_megabytes": pss_megabytes(worker.pids)}


def slots(contender: Contender, brokers: Brokers, seconds: float) -> Numbers:
    """From the first task's begin to the last one's end; memory half-way."""
    cell = of_a_cell(contender)
    number = cell.messages or max(20, int(cell.rate * seconds))
    with bench(cell, brokers) as place:
        place.side("preload", str(number), *cell.task)
        with place.worker() as worker:
            begin = watch(place, worker, 0)  # the first one has begun
            watch(place, worker, number // 2)
            memory = pss_megabytes(worker.pids)
            end = watch(place, worker, number)
            took = first_to_last(place)
            return {
                **rates(begin, end),
                "tasks_per_second": number / took,
                "seconds": took,
                "pss_megabytes": memory,
            }


def backlog(contender: Contender, brokers: Brokers, waves: int | None) -> Numbers:
    """What a message costs with so many queued: a few by a worker that is awake, in `waves`; many from its start."""
    cell = of_a_cell(contender)
    with bench(cell, brokers) as place:
        if cell.messages in _WAVES:
            affordable = max(1, MOST_BYTES // (cell.messages * cell.payload))
            return _in_waves(place, cell, min(waves or _WAVES[cell.messages], affordable))
        place.side("fill", str(cell.messages), str(cell.payload))
        with place.worker() as worker:
            begin = watch(place, worker, cell.messages // 10)
            end = watch(place, worker, cell.messages * 9 // 10)
            return {
                "ms_per_message": (end.at - begin.at) / (end.done - begin.done) * 1000,
                "pss_megabytes": pss_megabytes(worker.pids),
            }


def _in_waves(place: Bench, cell: Cell, waves: int) -> Numbers:
    """The worker stands still while a wave is queued, so that it finds all of it."""
    size = str(cell.payload)
    seconds = 0.0
    with place.worker() as worker:
        place.side("fill", "1", size)
        watch(place, worker, 1)
        for wave in range(1, waves + 1):
            time.sleep(_SETTLING_SECONDS)
            os.kill(worker.process.pid, signal.SIGSTOP)
            try:
                place.side("fill", str(cell.messages), size)
            finally:
                began = time.monotonic()
                os.kill(worker.process.pid, signal.SIGCONT)
            watch(place, worker, 1 + cell.messages * wave)
            seconds += max(each[marks.LAST] for each in marks.read(place.marks)) / 1e9 - began
        return {
            "ms_per_message": seconds / (waves * cell.messages) * 1000,
            "pss_megabytes": pss_megabytes(worker.pids),
        }


def million(contender: Contender, brokers: Brokers, quick: bool) -> Numbers:
    """The same stretch of work with many and with few behind it."""
    cell = of_a_cell(contender)
    number = min(cell.messages, _QUICK_MILLION) if quick else cell.messages
    with bench(cell, brokers) as place:
        place.side("fill", str(number), str(cell.payload))
        with place.worker() as worker:
            begin = watch(place, worker, min(number // 10, 5000))
            end = watch(place, worker, min(number * 9 // 10, 205_000))
            return {
                **rates(begin, end),
                "start_seconds": first_task(place) - worker.began,
                "pss_megabytes": pss_megabytes(worker.pids),
            }
