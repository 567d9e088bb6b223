"""A blocked loop: the judgement that a worker's loop, or the event loop of its coroutines, no longer turns.

What blocks an event loop is found by pools/blocked_event_loop.py.
"""

from __future__ import annotations

from fleet.worker.progress import HeldUp

# The loop turns every few seconds, and waits for the broker for half a minute at most.
WEDGED_SECONDS = 60.0


def why_blocked(event_loop: HeldUp | None, still_seconds: float) -> str | None:
    """`still_seconds`: how long ago the worker's own loop turned, 0 where a task runs in it and should."""
    if event_loop is not None and event_loop.seconds >= WEDGED_SECONDS:
        return f"its event loop has not turned for {event_loop.seconds:.0f}s: {event_loop.by} blocks it"
    if still_seconds >= WEDGED_SECONDS:
        return f"its loop has not turned for {still_seconds:.0f}s: a task blocks it"
    return None
