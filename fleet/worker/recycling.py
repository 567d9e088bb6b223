"""The recycling of a process that runs tasks: when it has done its share. Pure: time, chance, memory are arguments.

The process is a pool process of prefork, else the worker itself. Limits are spread over the last tenth below
them, so that processes that started together are not all replaced at once.
"""

from __future__ import annotations

from typing import NamedTuple

from fleet.launch_specs import WorkerSpec

# A process that is younger is not replaced for its memory or its age: where a limit is below what the app
# needs just to be there, replacing would never end, and nothing else be done.
LEAST_SECONDS = 10.0
_SPREAD = 0.1
_ROOM = 1.25  # times what it held before its first task: it may have that much whatever the limit says
_FAR_ABOVE = 2.0


class Share(NamedTuple):
    """What one process has done so far."""

    born: float  # monotonic seconds
    luck: float  # [0, 1), its own
    first_bytes: int = 0  # resident before its first task; 0: not known


def last_task(spec: WorkerSpec, share: Share) -> int | None:
    """After which number of tasks it is over."""
    if spec.max_tasks is None:
        return None
    return max(1, spec.max_tasks - int(spec.max_tasks * _SPREAD * share.luck))


def worn(spec: WorkerSpec, share: Share, now: float, rss_bytes: int) -> str | None:
    """Why it should be replaced, by its age and its memory."""
    age = now - share.born
    if age < LEAST_SECONDS:
        return None
    if spec.max_age_seconds is not None and age >= spec.max_age_seconds * (1 - _SPREAD * share.luck):
        return f"max_age {spec.max_age_seconds:g}s reached"
    if spec.max_memory_bytes is not None and rss_bytes > _allowed(spec.max_memory_bytes, share):
        return f"max_memory {mebibytes(spec.max_memory_bytes)} exceeded: holds {mebibytes(rss_bytes)}"
    return None


def worker_worn(spec: WorkerSpec, share: Share, now: float, rss_bytes: int, ran: int) -> str | None:
    """The same for a worker that runs its tasks itself; `ran` so many. A new worker is dear: never soon."""
    most = last_task(spec, share)
    if most is not None and ran >= most and now - share.born >= LEAST_SECONDS:
        return f"max_tasks {spec.max_tasks} reached"
    return worn(spec, share, now, rss_bytes)


def is_far_above(spec: WorkerSpec, share: Share, rss_bytes: int) -> bool:
    """Whether it holds so much that its task can't be waited for."""
    return (
        spec.max_memory_bytes is not None and rss_bytes > _allowed(spec.max_memory_bytes, share) * _FAR_ABOVE
    )


def is_hopeless(spec: WorkerSpec, share: Share) -> bool:
    """Whether `max_memory` is less than what the process held before its first task."""
    return spec.max_memory_bytes is not None and share.first_bytes > spec.max_memory_bytes


def _allowed(max_memory_bytes: int, share: Share) -> float:
    return max(max_memory_bytes, share.first_bytes * _ROOM)


def mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f}MiB"
