"""The progress of a worker's work: deliveries that its pool has lost, work that could begin and does not.

And what it should be known for although it works: a broker that closes its channel for tasks that take long. Asked by
the watchdog every second, in its thread. docs/decisions/0053 has the limits.
"""

from __future__ import annotations

from typing import NamedTuple

# A free slot starts what waits within milliseconds.
IDLE_SLOT_SECONDS = 60.0
# A thread or process begins what it is given at once; a machine may be slow, and a body large.
LOST_SECONDS = 30.0
# How long a warning is repeated after what it is about.
WARN_SECONDS = 600.0


class Work(NamedTuple):
    """Of one worker at one moment. Times are monotonic seconds."""

    is_working: bool  # ready and connected
    waits: int  # deliveries in the worker that have not begun
    has_room: bool  # so that one of them could begin
    is_held_up: bool  # nothing may begin, for something is to run alone
    runs: int
    changed_at: float  # when something last began or ended


def stuck(now: float, work: Work) -> str | None:
    """Why nothing gets on although it could; None when it does, or could not."""
    if not work.is_working:
        return None
    still = now - work.changed_at
    if still < IDLE_SLOT_SECONDS:
        return None
    if work.is_held_up and not work.runs:
        return f"it has kept everything waiting for {still:.0f}s for something that does not run"
    if work.waits and work.has_room and not work.is_held_up:
        return f"{work.waits} wait in it and nothing has begun for {still:.0f}s, although there is room"
    return None


class HeldUp(NamedTuple):
    """An event loop that does not get on because something in it does not let others run."""

    seconds: float
    by: str  # where in the code, and for which message


class Notice(NamedTuple):
    """Something that has happened at that moment, with the remedy."""

    at: float  # monotonic
    text: str


def news(now: float, happened: Notice | None, oldest_since: float | None) -> tuple[str, ...]:
    """What to tell of it: as long as it is news, or what it happened to still runs."""
    if happened is None:
        return ()
    still_runs = oldest_since is not None and oldest_since <= happened.at
    return (happened.text,) if still_runs or now - happened.at < WARN_SECONDS else ()
