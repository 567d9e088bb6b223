"""The health of a worker, which it reports beside its counters: it has done its share, something is wrong.

Both are for the controller, which replaces it; by itself a worker only ends when nobody else would see to it.
Asked by the watchdog, so it works while the loop is stuck.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fleet.worker.blocked_loop import why_blocked
from fleet.worker.progress import HeldUp
from fleet.worker.recycling import Share, is_far_above, mebibytes, worker_worn
from fleet.worker.settings import Settings

# A hard limit that has not ended its task by then never will: a thread, a solo task, an undead process.
OVERDUE_SECONDS = 30.0
# How long a worker that has done its share waits for its replacement: without a controller, and with one.
ALONE_SECONDS = 30.0
PATIENCE_SECONDS = 600.0


class Vitals(NamedTuple):
    """What is to be judged. Times are monotonic seconds."""

    is_ready: bool
    is_online: bool  # the broker can be reached: an outage is no trouble of the worker's
    has_controller: bool
    turned_at: float  # when the loop came round last
    runs_inline: bool  # a task keeps the loop from turning, and should
    rss_bytes: int
    ran: int  # tasks so far
    longest_overdue: float | None  # seconds beyond its hard limit, of what is so by OVERDUE_SECONDS
    stuck: str | None = None  # why work that could get on does not (progress.py)
    held_up: HeldUp | None = None  # its tasks' event loop
    lost: str | None = None  # what its pool has lost: it works, but with fewer slots


class Health:
    """Of one worker, asked about once a second; `recycle` and `trouble` go into its reports."""

    def __init__(self, settings: Settings, random: Callable[[], float]) -> None:
        self._settings = settings
        self._random = random
        self._share: Share | None = None
        self._judged_revision = settings.revision
        self._asked_at = 0.0
        self._controller_at = 0.0
        self.recycle: str | None = None
        self.trouble: str | None = None

    def judge(self, now: float, vitals: Vitals) -> str | None:
        """Why it should end by itself, now; None as long as it should not."""
        if vitals.has_controller:
            self._controller_at = now
        self.trouble = trouble(now, vitals)
        if not vitals.is_ready or self._settings.spec.pool == "prefork":  # there the processes are recycled
            return None
        if self._share is None:
            self._share = Share(now, self._random(), vitals.rss_bytes)
        self._judge_share(now, vitals, self._share)
        return self._why_now(now, vitals, self._share)

    def _judge_share(self, now: float, vitals: Vitals, share: Share) -> None:
        if self._judged_revision != self._settings.revision:
            self._judged_revision, self.recycle = self._settings.revision, None
        if self.recycle is None:
            self._asked_at = now
            self.recycle = vitals.lost or worker_worn(
                self._settings.spec, share, now, vitals.rss_bytes, vitals.ran
            )

    def _why_now(self, now: float, vitals: Vitals, share: Share) -> str | None:
        if is_far_above(self._settings.spec, share, vitals.rss_bytes):
            limit = mebibytes(self._settings.spec.max_memory_bytes or 0)
            return f"holds {mebibytes(vitals.rss_bytes)}, over twice max_memory {limit}"
        if self.recycle is None:
            return None
        alone = now - max(self._controller_at, self._asked_at)
        if alone >= ALONE_SECONDS or now - self._asked_at >= PATIENCE_SECONDS:
            return f"{self.recycle}, and no replacement came"
        return None


def trouble(now: float, vitals: Vitals) -> str | None:
    """Why the worker no longer does its work although it lives."""
    if not vitals.is_ready:
        return None
    if vitals.longest_overdue is not None:
        return f"a task runs {vitals.longest_overdue:.0f}s beyond its time limit and can't be stopped"
    if vitals.stuck is not None and vitals.is_online:
        return vitals.stuck
    if not vitals.is_online:  # the loop may wait for the broker
        return None
    return why_blocked(vitals.held_up, 0.0 if vitals.runs_inline else now - vitals.turned_at)
