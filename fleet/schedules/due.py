"""Due runs: from a schedule, its note and the time to the runs to send and the note to write. Pure."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.moments import SECOND, after, latest, upcoming
from fleet.schedules.notes import End, Note, Run, timing_of

ON_TIME = 15 * SECOND
"""What is later than this was missed, and `catch_up` says what becomes of it. A restart does not take as long."""

MISSED_SECONDS = 60.0
"""What is due for so long and has not been sent is told as trouble."""

SET_BACK = 3 * 60 * 60 * SECOND
"""When the clock is set back by less, what has been sent is not sent again: it waits. By more, it was wrong before, and
counting begins anew. The same three hours as cron's."""

LOST_AFTER = 24 * 60 * 60 * SECOND
"""A run whose end nobody has told for so long stands in nobody's way any more."""

AT_ONCE = 100
"""Runs sent in one step; the rest follows at once."""

_NAMESPACE = uuid.UUID("6f1c7a52-5d0f-4c1a-9c55-0a7f6a0d9b11")


@dataclass(frozen=True, slots=True)
class Look:
    """`runs` to send now, and the note that tells of them; None: the note stays. `next_at`: when to look again."""

    runs: tuple[Run, ...]
    note: Note | None
    next_at: int | None
    warning: str | None = None


def run_id(fleet: str, schedule: str, moment: int) -> str:
    """The id of the message of that run, whoever sends it, as often as it is sent."""
    return str(uuid.uuid5(_NAMESPACE, f"{fleet}\n{schedule}\n{moment}"))


def offset(fleet: str, schedule: ScheduleSpec, moment: int) -> int:
    """How long after its moment that run is sent: 0 without jitter, else the same for whoever asks."""
    most = round(schedule.jitter_seconds * 1000)
    if most <= 0:
        return 0
    drawn = hashlib.sha256(f"{fleet}\n{schedule.name}\n{moment}".encode()).digest()
    return int.from_bytes(drawn[:6]) % most


def look(fleet: str, schedule: ScheduleSpec, note: Note, now: int) -> Look:
    """What to do at `now`, given that the note's rule is the schedule's."""
    if not schedule.enabled:
        return Look((), None, None)
    changed, warning = note, None
    if note.base > now + SET_BACK:
        ahead = (note.base - now) // SECOND
        warning = f"its last moment is {ahead} s in the future: the clock was wrong, it starts anew"
        changed = replace(changed, since=now, last=None)
    if (pause := changed.pause) is not None:
        if pause.until is None or now < pause.until:
            return Look((), changed if changed is not note else None, pause.until, warning)
        changed = replace(changed, pause=None, since=max(changed.since, pause.until))
    due, next_at = _due(fleet, schedule, changed.base, now)
    sent, changed = deal_with(fleet, schedule, changed, due, now)
    return Look(tuple(sent), changed if changed != note else None, next_at, warning)


def _due(
    fleet: str, schedule: ScheduleSpec, base: int, now: int
) -> tuple[list[tuple[int, bool]], int | None]:
    """The moments to deal with now, each with whether it is to run; and when to look again."""
    timing = timing_of(schedule)
    missed: list[int] = []
    on_time: list[int] = []
    next_at = None
    for moment in upcoming(timing, _start(schedule, base, now), now):
        at = moment + offset(fleet, schedule, moment)
        if at > now:
            next_at = at
            break
        if len(missed) + len(on_time) >= AT_ONCE:
            next_at = now
            break
        (missed if now - at > ON_TIME else on_time).append(moment)
    if schedule.catch_up == "all":
        chosen = missed
    elif schedule.catch_up == "last" and not on_time:
        chosen = missed[-1:]
    else:
        chosen = []
    dealt = [(moment, moment in chosen) for moment in missed] + [(moment, True) for moment in on_time]
    return dealt, next_at


def _start(schedule: ScheduleSpec, base: int, now: int) -> int:
    """After which moment to look: all but the last one that was missed need not be gone through."""
    if schedule.catch_up == "all":
        return base
    jitter = round(schedule.jitter_seconds * 1000)
    last_missed = latest(timing_of(schedule), now - ON_TIME - jitter - 1)
    return base if last_missed is None else max(base, last_missed - 1)


def deal_with(
    fleet: str, schedule: ScheduleSpec, note: Note, due: list[tuple[int, bool]], now: int
) -> tuple[list[Run], Note]:
    """The runs of what is due (moments, each with whether it is to run), and the note after them."""
    runs: list[Run] = []
    for moment, is_to_run in due:
        note = replace(note, last=moment)
        if not is_to_run:
            continue
        if schedule.overlap == "skip" and note.is_running and not _is_lost(note, now):
            note = replace(note, skipped=note.skipped + 1)
            continue
        run = Run(run_id(fleet, schedule.name, moment), moment, now)
        runs.append(run)
        note = replace(note, run=run, skipped=0)
    return runs, note


def _is_lost(note: Note, now: int) -> bool:
    return note.run is not None and now - note.run.sent_at > LOST_AFTER


def lost(note: Note, now: int) -> Note:
    """The note when its run is no longer in the broker, and nobody has told of its end."""
    assert note.run is not None, "only a run can get lost"
    return replace(note, end=End(note.run.id, note.run.moment, "lost", now))


def next_runs(fleet: str, schedule: ScheduleSpec, now: int) -> Iterator[int]:
    """When it is sent from now on, jitter included, whatever is remembered of it."""
    timing = timing_of(schedule)
    jitter = round(schedule.jitter_seconds * 1000)
    for moment in upcoming(timing, now - jitter - 1):
        at = moment + offset(fleet, schedule, moment)
        if at > now:
            yield at


def lateness(run: Run, fleet: str, schedule: ScheduleSpec) -> int:
    """Milliseconds from when it was to be sent until it was."""
    return run.sent_at - run.moment - offset(fleet, schedule, run.moment)


__all__ = [
    "AT_ONCE",
    "MISSED_SECONDS",
    "Look",
    "after",
    "deal_with",
    "lateness",
    "look",
    "lost",
    "next_runs",
    "offset",
    "run_id",
]
