"""The sweep: which setting is to be measured next, by what is known so far. Pure.

A task that computes is tried on as many processes and threads as there are CPUs. One that waits is tried on more and
more slots, four times as many each time, until they bring nothing; then around the best, and where Little's law has the
knee: as many at once as the highest rate times the seconds that one takes alone. Where slots of one process bring
nothing, processes are tried. Where more slots have brought nothing it is measured once more: it may have been noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt

from fleet.advice.measured import Alone, Capacity, Cell, PoolSetting

GREW = 1.5
"""Four times the slots have brought something when the rate is so many times as high."""
_STEP = 4
_FIRST = 8
_MOST_THREADS = 512
_MOST_PROCESSES = 32
_NEAR = 1.3
_REFINEMENTS = 3
_CLEARLY = 1.25
_HEAVY_SECONDS = 0.002  # of CPU: where a task computes less, what others do at the time makes the difference
_SLOW_SECONDS = 2.0  # so long a task takes: there is time for few cells, and they begin higher


def next_setting(alone: Alone, cells: Sequence[Cell], room: Capacity) -> PoolSetting | None:
    """None when enough is known."""
    known = {cell.setting: cell for cell in cells}
    wanted = _of_computing(alone, room) if alone.computes else _of_waiting(alone, known, room)
    done: dict[PoolSetting, int] = {}
    for setting in wanted:  # named twice: to be measured twice
        done[setting] = done.get(setting, 0) + 1
        cell = known.get(setting)
        if cell is None or (len(cell.rates) < done[setting] and not cell.failed):
            return setting
    return None


def _of_computing(alone: Alone, room: Capacity) -> Iterator[PoolSetting]:
    for pool in ("prefork", "threads"):
        if pool in room.pools:
            yield PoolSetting(pool, min(room.cpus, room.fits(alone, pool)))
    if "prefork" in room.pools and room.cpus > 2:
        yield PoolSetting("prefork", min(room.cpus - 1, room.fits(alone, "prefork")))


def _of_waiting(alone: Alone, known: Mapping[PoolSetting, Cell], room: Capacity) -> Iterator[PoolSetting]:
    tried: list[str] = []
    for pool in pools_to_wait_on(alone, room):
        tried.append(pool)
        yield from _ladder(pool, alone, known, room)
        if scales(pool, alone, known):
            break
    yield from _refined(tried[-1], alone, known, room)
    # For comparison: what people would take otherwise.
    if "prefork" in room.pools and tried[-1] != "prefork":
        yield PoolSetting("prefork", min(room.cpus, room.fits(alone, "prefork")))
    best = best_of(tried[-1], known)
    if best is not None and tried[-1] not in ("threads", "prefork") and "threads" in room.pools:
        yield PoolSetting("threads", min(best.setting.concurrency, _highest("threads", alone, room)))
        if pool_that_scales(alone, known, room) == "threads":
            yield from _ladder("threads", alone, known, room)
            yield from _refined("threads", alone, known, room)


def pools_to_wait_on(alone: Alone, room: Capacity) -> list[str]:
    """The cheapest first; the next is tried where one does not scale."""
    green = ("asyncio",) if alone.is_async else ("gevent", "eventlet")
    first = next((pool for pool in green if pool in room.pools), None)
    order = [first, "threads", "prefork"]
    return [pool for pool in order if pool is not None and pool in room.pools] or ["threads"]


def pool_that_scales(alone: Alone, known: Mapping[PoolSetting, Cell], room: Capacity) -> str | None:
    """The cheapest one that does; threads where they do clearly more: what computes there lets others compute, too."""
    found = next((each for each in pools_to_wait_on(alone, room) if scales(each, alone, known)), None)
    if found in (None, "threads", "prefork") or alone.cpu < _HEAVY_SECONDS:
        return found
    first, threads = best_of(str(found), known), best_of("threads", known)
    is_more = first is not None and threads is not None and threads.rate >= _CLEARLY * first.rate
    return "threads" if is_more and scales("threads", alone, known) else found


def scales(pool: str, alone: Alone, known: Mapping[PoolSetting, Cell]) -> bool:
    """Whether more at once is more a second there, by a measurement: twice as much, or half of what two promise."""
    best = best_of(pool, known)
    if best is None or best.setting.concurrency == 1:
        return False
    return best.rate >= min(2.0, (1 + best.setting.concurrency) / 2) * alone.rate


def best_of(pool: str, known: Mapping[PoolSetting, Cell]) -> Cell | None:
    cells = [cell for setting, cell in known.items() if setting.pool == pool]
    return max(cells, key=lambda cell: cell.rate, default=None)


def knee(alone: Alone, cells: Sequence[Cell]) -> int:
    """By Little's law: so many at once do all that these cells have ever done, if each took as long as alone."""
    return max(1, round(max((cell.rate for cell in cells), default=0.0) * alone.wall))


def _highest(pool: str, alone: Alone, room: Capacity) -> int:
    bound = {"threads": _MOST_THREADS, "prefork": _MOST_PROCESSES}.get(pool, room.most)
    return max(1, min(bound, room.fits(alone, pool)))


def _ladder(
    pool: str, alone: Alone, known: Mapping[PoolSetting, Cell], room: Capacity
) -> Iterator[PoolSetting]:
    highest = _highest(pool, alone, room)
    number = min(_FIRST if alone.wall < _SLOW_SECONDS or pool == "prefork" else _FIRST**2, highest)
    before = alone.rate
    while True:
        setting = PoolSetting(pool, number)
        yield setting
        cell = known.get(setting)
        if cell is None:
            return
        if cell.rate < GREW * before:
            yield setting
            return
        if number >= highest:
            return
        before, number = cell.rate, min(number * _STEP, highest)


def _refined(
    pool: str, alone: Alone, known: Mapping[PoolSetting, Cell], room: Capacity
) -> Iterator[PoolSetting]:
    cells = [cell for setting, cell in known.items() if setting.pool == pool]
    best = best_of(pool, known)
    if best is None or not scales(pool, alone, known):
        return
    highest = _highest(pool, alone, room)
    ladder = {_FIRST * _STEP**step for step in range(8)} | {highest}
    made = sum(cell.setting.concurrency not in ladder for cell in cells)
    if made >= _REFINEMENTS:
        return
    numbers = sorted(cell.setting.concurrency for cell in cells)
    at = best.setting.concurrency
    goal = min(knee(alone, cells), highest)
    if all(max(goal, each) / min(goal, each) > _NEAR for each in numbers):
        yield PoolSetting(pool, goal)
    above = next((each for each in numbers if each > at), None)
    below = max((each for each in numbers if each < at), default=at)
    if at > 1.5 * goal and at / below > _NEAR:
        yield PoolSetting(pool, round(sqrt(max(below, goal) * at)))
    if above is not None and above / at > _NEAR:
        yield PoolSetting(pool, round(sqrt(at * above)))
