"""Tasks that share a queue or a group and should not: short behind long, computing beside waiting. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.advice.measured import COMPUTES
from fleet.duration_words import measured

_FAR = 0.2  # nearer than this to the border a task is neither
_LONGER = 20.0
_SHORT_SECONDS = 1.0  # that a short task may wait for a long one without harm


def why_apart(tasks: Sequence[tuple[str, float, float]]) -> str:
    """Of (name, seconds, part that it computes): why they want queues of their own; "" when they go together."""
    computing = [each for each in tasks if each[2] >= COMPUTES + _FAR]
    waiting = [each for each in tasks if each[2] <= COMPUTES - _FAR]
    if computing and waiting:
        return (
            f"{_names(computing)} {_does(computing, 'compute')}, {_names(waiting)} {_does(waiting, 'wait')}: "
            "two queues, a group each, on the pool that suits each"
        )
    short, long = (
        (chosen(tasks, key=lambda each: each[1]) for chosen in (min, max)) if tasks else (None, None)
    )
    if short and long and long[1] >= _SHORT_SECONDS and long[1] >= _LONGER * short[1]:
        return (
            f"{long[0]} takes {measured(long[1])}, {short[0]} {measured(short[1])}: in one queue the short ones wait "
            "behind the long ones; two queues, a group each"
        )
    return ""


def _names(tasks: Sequence[tuple[str, float, float]]) -> str:
    return " and ".join(name for name, _, _ in tasks[:3]) + (" and others" if len(tasks) > 3 else "")


def _does(tasks: Sequence[object], verb: str) -> str:
    return f"{verb}s" if len(tasks) == 1 else verb
