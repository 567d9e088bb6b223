"""The times of schedules: never, skipped by the clock, too often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fleet.config.model import Fleet, Schedule, format_duration
from fleet.machine import Machine
from fleet.rules.brokers import broker_kind, broker_url
from fleet.rules.finding import Change, Finding, Mark
from fleet.rules.registry import rule

# Its library is loaded only for a file with schedules.
if TYPE_CHECKING:
    from fleet.schedules.moments import Timing

SECOND = 1000  # in which moments count
_SLOW_BROKER = 10.0  # seconds: what kombu's other transports look for messages by is a second or more
_FINEST = 1.0
_FIELDS_OF_MINUTES = 5  # of an expression without seconds: it fires once a minute at most
_MOST_MOMENTS = 60


def timing(fleet: Fleet, schedule: Schedule) -> Timing | None:
    """None where the file does not say when, or says it twice."""
    from fleet.schedules.moments import Timing

    if (schedule.cron is None) == (schedule.every is None):
        return None
    zone = schedule.timezone or fleet.project.timezone
    if schedule.cron is not None:
        return Timing(cron=schedule.cron, timezone=zone)
    assert schedule.every is not None, "one of the two is there"
    return Timing(every=round(schedule.every.total_seconds() * SECOND), timezone=zone)


def period_seconds(fleet: Fleet, schedule: Schedule) -> float | None:
    """The shortest time between two of its next moments."""
    from fleet.schedules.moments import shortest_gap

    found = timing(fleet, schedule)
    gap = shortest_gap(found, now_ms(), _MOST_MOMENTS) if found else None
    return None if gap is None else gap / SECOND


def now_ms() -> int:
    """POSIX milliseconds."""
    return int(time.time() * SECOND)


def spoken(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def key_of_time(index: int, schedule: Schedule) -> tuple[str | int, ...]:
    return ("schedules", index, "cron" if schedule.cron is not None else "every")


@rule(
    "FLT801",
    "schedule-never-fires",
    "error",
    reads=("schedules.cron", "schedules.every", "schedules.expires"),
)
def schedule_never_fires(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule that can't fire: no time is given, or one that never comes.

    Nothing would ever be sent, and nobody would miss it before it is too late. A date such as 31 February
    or 31 June does not exist; the last day of any month is `L`.

    Bad:

        [[schedules]]
        task = "shop.reports.monthly"
        cron = "0 3 31 2 *"

    Good:

        [[schedules]]
        task = "shop.reports.monthly"
        cron = "0 3 L * *"
    """
    if fleet.schedules:
        from fleet.schedules.moments import after
    for index, schedule in enumerate(fleet.schedules):
        if schedule.cron is None and schedule.every is None:
            yield Finding(
                ("schedules", index),
                f'schedule "{schedule.called}" never fires: it says neither `cron` nor `every`',
                help='add cron = "0 3 * * *" or every = "30s"',
            )
        elif (found := timing(fleet, schedule)) and after(found, now_ms()) is None:
            yield Finding(
                key_of_time(index, schedule),
                f'schedule "{schedule.called}" never fires: "{schedule.cron}" is a date that never comes',
                help='the last day of every month is `L`, as in "0 3 L * *"',
            )
        elif schedule.expires is not None and not schedule.expires:
            yield Finding(
                ("schedules", index, "expires"),
                f'no run of schedule "{schedule.called}" is ever wanted: each expires at once',
                help='give it some time, as in expires = "10m"',
            )


@rule("FLT802", "schedule-with-two-times", "error", reads=("schedules.cron", "schedules.every"))
def schedule_with_two_times(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule says both `cron` and `every`.

    Which of the two was meant can't be known, and to take either would be to send at times that
    nobody expects. Two schedules of the same task are fine: give them a `name` each.

    Bad:

        [[schedules]]
        task = "shop.stock.sync"
        cron = "*/5 * * * *"
        every = "5m"

    Good:

        [[schedules]]
        task = "shop.stock.sync"
        every = "5m"
    """
    for index, schedule in enumerate(fleet.schedules):
        if schedule.cron is not None and schedule.every is not None:
            yield Finding(
                ("schedules", index, "every"),
                f'schedule "{schedule.called}" says when twice: `cron` and `every`',
                related=(Mark(("schedules", index, "cron"), "and here"),),
                help="keep one of them",
            )


@rule(
    "FLT803",
    "schedule-in-a-skipped-hour",
    "warning",
    varies=True,
    reads=("schedules.cron", "schedules.timezone", "all fleet.timezone"),
)
def schedule_in_a_skipped_hour(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule fires at a time that its clocks skip on one day of the year.

    When clocks are put forward, the times in between do not exist on that day. fleet sends such a run
    once, at the first moment after the gap, so nothing is lost; but a job that is to run before another
    one may then run with it, and the day has an hour less in front of it. When clocks are put back, a time
    that comes twice is sent once. If that is fine, say so with `# fleet: ignore[FLT803] why`.

    Bad:

        [[schedules]]
        task = "shop.reports.nightly"
        cron = "30 2 * * *"
        timezone = "Europe/Berlin"

    Good:

        [[schedules]]
        task = "shop.reports.nightly"
        cron = "30 4 * * *"
        timezone = "Europe/Berlin"
    """
    if fleet.schedules:
        from fleet.schedules.moments import skipped
    for index, schedule in enumerate(fleet.schedules):
        found = timing(fleet, schedule)
        if found is None or (gap := skipped(found, now_ms())) is None:
            continue
        day = datetime.fromtimestamp(gap / SECOND, UTC)
        yield Finding(
            ("schedules", index, "cron"),
            f'schedule "{schedule.called}" fires at a time that clocks in {found.timezone} skip once a year',
            notes=(f"the next time on {day:%Y-%m-%d}: the run is sent at the end of the gap",),
            help='choose another hour, or timezone = "UTC"',
        )


@rule(
    "FLT807", "schedule-finer-than-broker", "warning", reads=("schedules.cron", "schedules.every", "broker.*")
)
def schedule_finer_than_broker(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule fires more often than its broker can make anything of it.

    Through kombu's other transports (SQS, filesystem, MongoDB …) workers look for messages every second
    or less often, and fleet can neither write the note of a run in one step with the run nor keep two
    hosts apart: runs come late, in bunches, and after a crash twice. And what is to happen more often
    than once a second is a loop in a task rather than a schedule: each run is a message that is written,
    handed out and settled.

    Bad:

        [broker]
        url = "sqs://"

        [[schedules]]
        task = "shop.stock.sync"
        every = "2s"

    Good:

        [broker]
        url = "sqs://"

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
    """
    is_other = broker_url(fleet) is not None and broker_kind(fleet) is None
    for index, schedule in enumerate(fleet.schedules):
        if schedule.cron is not None and len(schedule.cron.split()) == _FIELDS_OF_MINUTES:
            continue
        period = period_seconds(fleet, schedule)
        if period is None or period >= (_SLOW_BROKER if is_other else _FINEST):
            continue
        url = broker_url(fleet)
        why = (
            f"{url.scheme}:// hands messages out every second or so" if is_other and url else "that is a loop"
        )
        yield Finding(
            key_of_time(index, schedule),
            f'schedule "{schedule.called}" fires every {spoken(period)}: {why}',
            help="fire less often, or on RabbitMQ, Redis or SQLite"
            if is_other
            else "loop in the task instead",
        )


@rule("FLT809", "jitter-longer-than-period", "warning", fix="unsafe", reads=("schedules.*",))
def jitter_longer_than_period(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The jitter of a schedule is not shorter than the time to its next run.

    A run that is put off beyond the next one does not spread anything: the two come together, and which
    of them is late can't be told any more.

    Bad:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        jitter = "5m"

    Good:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        jitter = "20s"
    """
    for index, schedule in enumerate(fleet.schedules):
        if not schedule.jitter:
            continue
        period, jitter = period_seconds(fleet, schedule), schedule.jitter.total_seconds()
        if period is not None and jitter >= period > 0:
            shorter = f'"{spoken(period / 2)}"'
            yield Finding(
                ("schedules", index, "jitter"),
                f'schedule "{schedule.called}" fires every {spoken(period)} and may be delayed by up to '
                f"{format_duration(schedule.jitter)}: a run can come after the next one",
                help="a jitter below the period",
                steps=(Change(("schedules", index, "jitter"), shorter),),
            )
