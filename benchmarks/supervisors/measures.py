"""What is measured, each on a fresh side."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.supervisors.peers import Peer
from benchmarks.supervisors.processes import PAUSE, alive, cpu_seconds, kill, pss_bytes, until
from benchmarks.supervisors.side import Side

Make = Callable[[], Side]


@dataclass(frozen=True, slots=True)
class Respawn:
    """Seconds after SIGKILL of one of four workers. None: it does not come back."""

    process: float | None
    ready: float | None


def respawns(make: Make, times: int) -> list[Respawn]:
    with make() as side:
        side.bring_up(4)
        if not side.respawns:
            return [Respawn(None, None)]
        _calm()
        found = []
        for _ in range(times):
            before, ready = side.workers(), side.ready.look()
            victim = min(before)
            began = time.perf_counter()
            kill({victim})
            until(lambda before=before: side.workers() - before, what="a new process")  # type: ignore[misc]
            process = time.perf_counter() - began
            until(lambda ready=ready: side.ready.look() > ready, what="a new worker ready")  # type: ignore[misc]
            found.append(Respawn(process, time.perf_counter() - began))
            # Long enough for each to take it for a healthy one, and its start for a success.
            _calm()
        return found


def up_and_down(make: Make, workers: int) -> tuple[float, float]:
    with make() as side:
        up = side.bring_up(workers)
        _calm()
        return up, side.bring_down()


@dataclass(frozen=True, slots=True)
class Roll:
    """Four workers replaced: seconds until all are new, and how few were ready at the worst moment."""

    seconds: float
    fewest: int


def roll(make: Make) -> Roll:
    with make() as side:
        side.bring_up(4)
        _calm()
        old, before = side.workers(), side.ready.look()
        fewest = 4
        began = time.perf_counter()
        side.restart()
        while True:
            # An old one counts until it is gone, though it has stopped consuming before: in the others' favour.
            left, new = sum(map(alive, old)), side.ready.look() - before
            fewest = min(fewest, left + new)
            if new >= 4 and not left:
                return Roll(time.perf_counter() - began, fewest)
            if time.perf_counter() - began > 180:
                raise RuntimeError(f"{side.name}: {left} old, {new} new")
            time.sleep(PAUSE)


def reloads(make: Make, times: int) -> list[float]:
    """Seconds from saving an edit of the workers' environment to the first new worker ready."""
    with make() as side:
        side.bring_up(4)
        found = []
        for size in range(2, times + 2):
            _calm()
            old, before = side.workers(), side.ready.look()
            began = time.perf_counter()
            side.save(size)
            until(lambda before=before: side.ready.look() > before, what="a new worker ready")  # type: ignore[misc]
            found.append(time.perf_counter() - began)
            until(
                lambda old=old, before=before: (  # type: ignore[misc]
                    not any(map(alive, old)) and side.ready.look() >= before + 4
                ),
                what=f"{side.name}: all four replaced",
            )
        return found


@dataclass(frozen=True, slots=True)
class Idle:
    """Of the processes that supervise, not of the workers."""

    processes: int
    megabytes: float
    cpu_percent: float


def idle(make: Make, workers: int, seconds: float) -> Idle:
    with make() as side:
        if isinstance(side, Peer):
            side.stand_in = True
            side.start(workers)
            until(lambda: side.supervising() and len(side.workers()) == workers)
        else:
            side.bring_up(workers)
        time.sleep(5 + workers / 20)
        pids = side.supervising()
        began, before = time.perf_counter(), cpu_seconds(pids)
        time.sleep(seconds)
        used = (cpu_seconds(pids) - before) / (time.perf_counter() - began)
        return Idle(len(pids), pss_bytes(pids) / 1e6, used * 100)


def _calm() -> None:
    """Until a supervisor is at rest again; 1 s is what supervisord takes for a good start, fleet for min_ready 2."""
    time.sleep(3)
