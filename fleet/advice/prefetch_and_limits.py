"""Prefetch and time limits, by how long tasks took: what a worker should take ahead, and when a task hangs. Pure."""

from __future__ import annotations

from math import ceil

from fleet.advice.evidence import GroupEvidence
from fleet.duration_words import measured
from fleet.histogram import quantile

ENOUGH_FOR_A_LIMIT = 1000
"""Runs, of which one may take far longer than the others."""
_SHORTEST_LIMIT = 30  # seconds
_MARGIN = 5  # times what 999 of 1,000 took
_AHEAD_SECONDS = 0.02  # "auto" takes ahead what lasts so long
_HELD_SECONDS = 1.0  # of work that lies in a worker and that another one could do
_STARVED = 4  # times as much ahead would hide the way to the broker


def slowest(evidence: GroupEvidence) -> float:
    """Seconds that 999 of 1,000 runs of each of its tasks took at most."""
    return max((quantile(task.durations, 0.999) or 0.0 for task in evidence.tasks), default=0.0)


def time_limit(evidence: GroupEvidence) -> int:
    """Seconds after which a task does not take long, but hangs."""
    return max(_SHORTEST_LIMIT, ceil(slowest(evidence) * _MARGIN))


def wrong_prefetch(
    evidence: GroupEvidence, prefetch: int, slots: int, *, is_alone: bool
) -> tuple[str, str] | None:
    """(what was measured, what "auto" would bring), where a number in the file does harm; `is_alone`: one worker."""
    ahead, mean = prefetch - slots, evidence.mean
    lasts = ahead / slots * mean
    if not is_alone and lasts >= _HELD_SECONDS:
        why = f"each worker holds {ahead:,} messages that it can't start, work for {measured(lasts)}"
        return why, "what a worker can't start is there for the others"
    wanted = slots * _AHEAD_SECONDS / mean if mean else 0.0
    if evidence.waits and slowest(evidence) < _HELD_SECONDS and wanted >= _STARVED * max(1, ahead):
        why = f"a task is done in {measured(mean)}, and {max(0, ahead)} messages lie ready for {slots} slots"
        return why, f"about {wanted:,.0f} taken ahead hide the way to the broker"
    return None
