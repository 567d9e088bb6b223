"""A note on a schedule: what is remembered of it, one JSON text, kept where the broker keeps its messages.

It is written in one step with the run that it tells of, where the broker can do that; then whoever writes by a note
that is no longer the present one writes nothing. Moments and times are milliseconds since 1970.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.app_schedules import AppSchedule, Ticks
from fleet.schedules.moments import Timing
from fleet.spec import Spec

OFF = "off"
"""The rule of a schedule that is disabled or no longer in the file: what comes due meanwhile is not missed."""


@dataclass(frozen=True, slots=True)
class Run(Spec):
    """One run that was sent: for which moment, under which id, and when that was."""

    id: str
    moment: int
    sent_at: int
    queue: str = ""


@dataclass(frozen=True, slots=True)
class End(Spec):
    """How a run ended: "succeeded", "failed", "expired", "lost" or "unknown"."""

    id: str
    moment: int
    outcome: str
    at: int
    seconds: float | None = None  # that its last try took


@dataclass(frozen=True, slots=True)
class Pause(Spec):
    """Who has paused it, and until when; None: until somebody resumes it."""

    by: str
    at: int
    until: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Note(Spec):
    """`rule` is the timing that `since` belongs to: from then on its moments count.

    `last` is the moment that was dealt with last, be it by a run or because it was to be skipped. `skipped` counts
    those that an earlier run that had not ended stood in the way of, since the last run.
    """

    rule: str
    since: int
    last: int | None = None
    run: Run | None = None
    end: End | None = None
    succeeded_at: int | None = None
    skipped: int = 0
    pause: Pause | None = None

    @property
    def base(self) -> int:
        """What has been dealt with: only moments after it can be due."""
        return self.since if self.last is None else max(self.since, self.last)

    @property
    def is_running(self) -> bool:
        """Whether the last run has not ended, as far as is known."""
        return self.run is not None and (self.end is None or self.end.id != self.run.id)

    @classmethod
    def read(cls, text: str | None) -> Note | None:
        """None for none, and for one that nobody can read: then the schedule is new."""
        if text is None:
            return None
        try:
            said = json.loads(text)
            # What a younger scheduler on another host has written may have more in it.
            return cls.from_dict({name: value for name, value in said.items() if name in _KNOWN})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


_KNOWN = frozenset(each.name for each in fields(Note))


def timing_of(schedule: ScheduleSpec) -> Timing | Ticks:
    if isinstance(schedule, AppSchedule) and schedule.ticks is not None:
        return schedule.ticks
    every = None if schedule.every_seconds is None else max(1, round(schedule.every_seconds * 1000))
    return Timing(cron=schedule.cron, every=every, timezone=schedule.timezone, weekdays=schedule.weekdays)


def rule_of(schedule: ScheduleSpec) -> str:
    """Another one exactly when its moments are others, or none at all."""
    if not schedule.enabled:
        return OFF
    timing = timing_of(schedule)
    if not isinstance(timing, Timing):
        return timing.rule
    if timing.every is not None:
        return f"every {timing.every}"
    days = f" on {timing.weekdays}" if timing.weekdays else ""
    return f"{' '.join((timing.cron or '').split())} {timing.timezone}{days}"


def adopt(rule: str, note: Note | None, now: int, *, seen_until: int) -> Note:
    """The note of a schedule whose rule is now `rule`.

    `seen_until`: until when somebody went by the rule before. What came due since is caught up by the new one; and
    nothing that came due while it was off, or before anybody knew of it.
    """
    if note is None:
        return Note(rule=rule, since=now)
    if note.rule == rule:
        return note
    missed_from = now if OFF in (note.rule, rule) else min(now, max(seen_until, note.base))
    return replace(note, rule=rule, since=max(note.since, missed_from))


def taken_back(rule: str, note: Note | None, dealt_until: int) -> Note:
    """The note of a schedule that somebody has gone by all the time, when another host has made it that of its rule.

    `dealt_until`: what came due until then has been dealt with here; and a moment that the other host has had is not
    sent a second time. None: the broker has lost it.
    """
    if note is None:
        return Note(rule=rule, since=dealt_until)
    return replace(note, rule=rule, since=max(dealt_until, note.last or 0))


def ended(note: Note, end: End) -> Note:
    """After the word of a run's end. Of another run than the last, as of one by hand, only a success matters."""
    success = end.at if end.outcome == "succeeded" else None
    note = replace(note, succeeded_at=max(filter(None, (note.succeeded_at, success)), default=None))
    return replace(note, end=end) if note.run is None or note.run.id == end.id else note


def paused(note: Note, pause: Pause) -> Note:
    return replace(note, pause=pause)


def resumed(note: Note, now: int) -> Note:
    """What came due while it was paused is over; and a run whose end nobody has heard of no longer counts."""
    if note.pause is None and not note.is_running:
        return note
    since = now if note.pause is not None else note.since
    end = note.end
    if note.is_running and note.run is not None:
        end = End(note.run.id, note.run.moment, "unknown", now)
    return replace(note, pause=None, since=max(note.since, since), end=end)


def written_alive(now: int) -> str:
    """The note that says until when somebody looked after all schedules."""
    return json.dumps({"at": now})


def read_alive(text: str | None) -> int:
    """0 when nobody has."""
    try:
        return int(json.loads(text or "{}").get("at", 0))
    except (ValueError, TypeError, AttributeError):
        return 0
