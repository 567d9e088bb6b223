"""The recommendation of a sweep: pool, concurrency, and why, in one sentence with its numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fleet.advice.measured import IN_ONE_PROCESS, Alone, Capacity, Cell
from fleet.advice.sweep import best_of, knee, pool_that_scales, pools_to_wait_on, scales
from fleet.duration_words import measured

ENOUGH = 0.93
"""The smallest number of slots that does this part of the best is taken."""
_NOISY = 0.25
_BUSY = 0.5  # from this part of its computing time on that it waited for a CPU, others are in the way
_SATURATED = 0.8
_IDLE = 0.6  # of the CPUs that one task at a time leaves


class Recommendation(NamedTuple):
    """`workload` None: measured, and neither. `sure` "no": the measurements contradict each other too much."""

    pool: str
    concurrency: int
    replicas: int
    workload: str
    reason: str
    sure: str
    notes: tuple[str, ...] = ()

    def group_lines(self) -> list[str]:
        """For the group's table in fleet.toml."""
        if self.pool == "solo":
            return ['pool = "solo"', f"replicas = {self.replicas}"]
        return [f'pool = "{self.pool}"', f"concurrency = {self.concurrency}"]


def recommend(alone: Alone, cells: Sequence[Cell], room: Capacity) -> Recommendation:
    """`cells` may be fewer than a whole sweep has: Ctrl-C, or the time was up."""
    known = {cell.setting: cell for cell in cells}
    if alone.computes:
        found = _computing(alone, cells, room)
    else:
        pool = pool_that_scales(alone, known, room)
        found = _waiting(pool, alone, cells, room) if pool else _in_turn(alone, cells, room)
    return found._replace(notes=(*found.notes, *_notes(alone, cells, room)))


def _computing(alone: Alone, cells: Sequence[Cell], room: Capacity) -> Recommendation:
    fits = room.fits(alone, "prefork")
    number = min(room.cpus, fits)
    share = f"computes {alone.share:.0%} of its time"
    best = max(
        (cell.rate for cell in cells if cell.setting.pool in ("prefork", "threads")), default=alone.rate
    )
    # Where one at a time gets in, the other CPUs have nothing to do: on a machine that others use nobody can see it.
    idle = max((cell.idle_cpu for cell in cells), default=1.0)
    is_busy = alone.delayed > _BUSY * alone.cpu or idle < _IDLE * (1 - 1 / max(2, room.cpus))
    if cells and room.cpus > 1 and fits > 1 and best < 1.15 * alone.rate and not is_busy:
        reason = f"it {share}, and {number} at once do no more than one: something lets one at a time in"
        return Recommendation("solo", 1, 1, "cpu", reason, "fairly")
    reason = f"it {share}: one process for each CPU"
    if fits < room.cpus:
        reason = f"it {share}, and memory takes {fits} at once ({alone.memory / 2**20:,.0f} MiB each)"
    notes = _about_the_lock(alone, cells)
    return Recommendation("prefork", number, 1, "cpu", reason + _times(alone, best), "yes", notes)


def _about_the_lock(alone: Alone, cells: Sequence[Cell]) -> tuple[str, ...]:
    threads = [cell for cell in cells if cell.setting.pool == "threads" and cell.setting.concurrency > 1]
    if not threads or alone.delayed > _BUSY * alone.cpu:
        return ()
    gain = threads[0].rate / alone.rate if alone.rate else 0.0
    if gain >= 1.5:
        return (
            f"it releases the interpreter lock: {threads[0].setting.concurrency} threads do {gain:.1f} times one, too",
        )
    if gain < 1.3:
        return (
            f"it holds the interpreter lock: {threads[0].setting.concurrency} threads do {gain:.1f} times one",
        )
    return ()


def _waiting(pool: str, alone: Alone, cells: Sequence[Cell], room: Capacity) -> Recommendation:
    own = sorted((cell for cell in cells if cell.setting.pool == pool), key=lambda cell: cell.setting)
    best = max(own, key=lambda cell: cell.rate)
    chosen = _enough(alone, own, best)
    number = chosen.setting.concurrency
    waits = f"it waits {1 - alone.share:.0%} of its {measured(alone.wall)}"
    beyond = [cell for cell in own if cell.setting.concurrency > number]
    fits = room.fits(alone, pool)
    sure = "yes"
    if number >= fits:
        limit = f"memory takes no more at once ({alone.memory / 2**20:,.0f} MiB each)"
    elif not beyond:
        limit, sure = (
            "and more would do still more: the rate that you need times its seconds is enough",
            "fairly",
        )
    elif any(cell.failed for cell in beyond):
        limit = "with more at once some fail"
    elif min(cell.rate for cell in beyond) < 0.8 * chosen.rate:
        limit = "with more at once it gets slower"
    else:
        limit = f"beyond about {knee(alone, own)} at once there is no more a second"
    notes = []
    if pool in IN_ONE_PROCESS and chosen.cpu * chosen.rate >= _SATURATED and room.cpus > 1 and beyond:
        notes.append(
            f"one process computes all the time at that rate: replicas = {room.cpus} would do more, if you need it"
        )
    if pool == "threads" and (green := _did_not_scale(alone, cells, room)):
        notes.append(green)
    reason = f"{waits}; {number} at once do {_rate(chosen.rate)}{_times(alone, chosen.rate)}, {limit}"
    return Recommendation(pool, number, 1, "io", reason, sure, tuple(notes))


def _enough(alone: Alone, own: Sequence[Cell], best: Cell) -> Cell:
    """The fewest slots that do nearly as much as the best.

    Where one process computes all the time, what it does a second is all that it can do, and by Little's law twice as
    many as the knee are plenty: that fewer of them were measured to do less is noise.
    """
    if best.setting.pool in IN_ONE_PROCESS and best.cpu * best.rate >= _SATURATED:
        plenty = 2 * knee(alone, [best])
        most = next((cell.setting for cell in own if cell.setting.concurrency >= plenty), best.setting)
        own = [cell for cell in own if cell.setting <= most]
    top = max(cell.rate for cell in own)
    return next(cell for cell in own if cell.rate >= ENOUGH * top)


def _did_not_scale(alone: Alone, cells: Sequence[Cell], room: Capacity) -> str:
    for pool in pools_to_wait_on(alone, room):
        known = {cell.setting: cell for cell in cells}
        tried = best_of(pool, known)
        if pool in ("threads", "prefork") or tried is None:
            continue
        if scales(pool, alone, known):
            return f"{pool} {tried.setting.concurrency} does {_rate(tried.rate)}: it computes in one thread"
        why = "it blocks the event loop" if pool == "asyncio" else "what it waits in can't be patched"
        return f"{pool} {tried.setting.concurrency} does {tried.rate / alone.rate:.1f} times one: {why}"
    return ""


def _in_turn(alone: Alone, cells: Sequence[Cell], room: Capacity) -> Recommendation:
    if room.fits(alone, "threads") == 1:
        reason = f"memory takes one at a time ({alone.memory / 2**20:,.0f} MiB)"
        return Recommendation("solo", 1, 1, "io", reason, "yes")
    if not cells:
        pool = pools_to_wait_on(alone, room)[0]
        reason = f"it waits {1 - alone.share:.0%} of its {measured(alone.wall)}; more was not measured"
        return Recommendation(pool, 1, 1, "io", reason, "no")
    most = max(cell.setting.concurrency for cell in cells)
    best = max(cell.rate for cell in cells)
    reason = (
        f"it waits, but {most} at once do {best / alone.rate:.1f} times what one does: "
        "something lets one at a time in (a lock, one connection)"
    )
    return Recommendation("solo", 1, 1, "io", reason, "fairly")


def _notes(alone: Alone, cells: Sequence[Cell], room: Capacity) -> list[str]:
    notes = []
    noisy = [cell for cell in cells if cell.spread > _NOISY]
    if noisy:
        worst = max(noisy, key=lambda cell: cell.spread)
        notes.append(
            f"noise: {worst.setting.pool} {worst.setting.concurrency} was measured {len(worst.rates)} times, "
            f"{worst.spread:.0%} apart; differences below that mean nothing"
        )
    if alone.delayed > _BUSY * alone.cpu and alone.computes:
        notes.append(
            f"the machine is busy: the task waited {measured(alone.delayed)} for a CPU for each {measured(alone.cpu)} "
            "on one; rates are too low, and threads and processes can't be told apart"
        )
    elif others := _used_by_others(cells, room):
        notes.append(f"the machine is busy: others used {others:.0%} of its CPUs; rates are too low")
    notes += [
        f"{cell.setting.pool} {cell.setting.concurrency}: "
        + (f"{cell.failed} of {cell.times} failed, {cell.trouble}" if cell.failed else cell.trouble)
        for cell in cells
        if cell.trouble
    ]
    return notes


def _used_by_others(cells: Sequence[Cell], room: Capacity) -> float:
    """The part of the CPUs that they used, where it was most and much; else 0."""
    used = [1 - cell.idle_cpu - cell.cpu * cell.rate / room.cpus for cell in cells if cell.rate]
    most = max(used, default=0.0)
    return most if most > _BUSY else 0.0


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


def _times(alone: Alone, rate: float) -> str:
    return f" ({rate / alone.rate:.1f} times one)" if alone.rate and rate else ""
