"""Fairness: the mix of tasks that is sent, and how long an ideal scheduler would let each of them wait. Pure."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SHORT_SECONDS, LONG_SECONDS = 0.001, 2.0
_BURST, _PAUSE_SECONDS = 20, 0.1
_LONG_EVERY = 600


class Ran(NamedTuple):
    """A task as it went, in ns of one clock."""

    sent: int
    began: int
    ended: int


def mix(number: int, seed: int = 1) -> Iterator[tuple[float, float]]:
    """(when to send it, how long it takes), in seconds.

    Bursts of short ones, so that whoever hands several at once to a child does so here; among each 600 there
    is a long one at any place. Now and then both slots have a long one, and even the ideal makes short ones wait.
    """
    choose = random.Random(seed)
    long = 0
    for index in range(number):
        if index % _LONG_EVERY == 0:
            long = index + choose.randrange(_LONG_EVERY)
        yield index // _BURST * _PAUSE_SECONDS, LONG_SECONDS if index == long else SHORT_SECONDS


def ideal_starts(tasks: Sequence[tuple[int, int]], slots: int) -> list[int]:
    """When each task (sent, takes) would begin, first come first served, no slot idle while one waits.

    `tasks` in the order of sending.
    """
    free = [0] * slots
    starts = []
    for sent, takes in tasks:
        start = max(sent, free[0])
        heapq.heapreplace(free, start + takes)
        starts.append(start)
    return starts


def extra_waits(tasks: Sequence[Ran], slots: int, longest: int) -> list[int]:
    """How much later than ideally those tasks began that took less than `longest`, in ns.

    The ideal gets each task's duration as it was: what the machine did meanwhile is nobody's fault. Who was
    let past another began too early; that is no extra wait, but a longer one of the other.
    """
    ordered = sorted(tasks)
    ideal = ideal_starts([(task.sent, task.ended - task.began) for task in ordered], slots)
    return [
        max(0, task.began - start)
        for task, start in zip(ordered, ideal, strict=True)
        if task.ended - task.began < longest
    ]
