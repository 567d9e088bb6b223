"""The `beat_schedule` of a Celery app as schedules of fleet's: when each fires, and how its messages are made.

Called by `fleet/scheduler/beat_app.py`, by name, in the scheduler's process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.celery.beat_messages import maker
from fleet.celery.beat_ticks import AskedTicks, PolledTicks, is_own, rule_of
from fleet.celery.loading import find_app, load
from fleet.launch_specs import celery_entries
from fleet.schedules.app_schedules import AppSchedule
from fleet.worker.errors import BootFailed
from fleet.worker.importing import import_app

if TYPE_CHECKING:
    from celery import Celery

Complain = Callable[[str, str], None]
"""Takes the name of an entry and what is wrong with it."""

_WEEKDAYS = 7
_SHORTEST_SECONDS = 0.1  # as of `every` in fleet.toml


class BeatSchedule(NamedTuple):
    """`scheduler` is the class that is to send instead of fleet; None: fleet sends `schedules`."""

    app: Celery
    schedules: tuple[AppSchedule, ...]
    scheduler: str | None


def take(
    app: tuple[str, ...], pythonpath: tuple[str, ...], scheduler: str | None, say: Complain
) -> BeatSchedule:
    """Import the app; `app` as [fleet] has it. Raises BootFailed."""
    import fleet.kombu  # noqa: F401  own schedulers may send by the embedded broker

    import_app(app, pythonpath)
    entry = celery_entries(app)[0]
    found = _loaded(entry)
    scheduler = scheduler or _own_class(found)
    if scheduler is not None:
        return BeatSchedule(found, (), scheduler)
    try:
        return BeatSchedule(found, tuple(_schedules(found, say)), None)
    except Exception as error:  # what a project's settings may raise
        raise BootFailed(f"beat_schedule of {entry}: {error!r}") from error


def _loaded(entry: str) -> Celery:
    from celery import _state

    app = find_app(entry)
    app.set_current()
    app.set_default()
    load(app, entry)
    app.finalize()
    # Else each run that is sent would stay subscribed in the result backend, as in a client that waits for it.
    _state._set_task_join_will_block(True)
    return app


def _own_class(app: Celery) -> str | None:
    """The scheduler that the app names, unless it is Celery's default, whose work fleet does."""
    named = app.conf.beat_scheduler
    if named is None or str(named) in ("celery.beat:PersistentScheduler", "celery.beat.PersistentScheduler"):
        return None
    return named if isinstance(named, str) else f"{named.__module__}:{named.__qualname__}"


def _schedules(app: Celery, say: Complain) -> Iterator[AppSchedule]:
    from celery.beat import Scheduler

    # Beat's own reading: what entries may look like, and the one that Celery adds for backends that don't expire.
    scheduler = Scheduler(app, lazy=True)
    scheduler.install_default_entries(app.conf.beat_schedule)
    scheduler.merge_inplace(app.conf.beat_schedule)
    if app.conf.task_always_eager and scheduler.schedule:
        say("beat_schedule", "task_always_eager: tasks would run in the scheduler; nothing is sent")
        return
    for name, entry in scheduler.schedule.items():
        yield _schedule(app, str(name), entry, say)


def _schedule(app: Celery, name: str, entry: Any, say: Complain) -> AppSchedule:
    from celery.schedules import crontab, schedule

    when: dict[str, Any]
    if type(entry.schedule) is crontab and (zone := _zone(entry.schedule)):
        when = {**_cron(entry.schedule), "timezone": zone}
    elif type(entry.schedule) is schedule:
        when = {"every_seconds": _seconds(entry.schedule.run_every.total_seconds(), name, say)}
    else:
        ticks = PolledTicks if is_own(entry.schedule) else AskedTicks
        rule = rule_of(entry.schedule)
        when = {"ticks": ticks(entry.schedule, lambda text: say(name, text)), "when": rule}
    return AppSchedule(name=name, task=str(entry.task), make=maker(app, entry), **when)


def _seconds(period: float, name: str, say: Complain) -> float:
    """Not below what `every` may be: beat sends a `schedule(0)` as fast as it can turn, which floods any queue."""
    if period < _SHORTEST_SECONDS:
        say(name, f"every {period:g} s is a loop, not a schedule: it is sent every {_SHORTEST_SECONDS:g} s")
    return max(period, _SHORTEST_SECONDS)


def _zone(schedule: Any) -> str | None:
    """Of its clock; None for one that has no name, as that of the machine."""
    key = getattr(schedule.tz, "key", None)
    return key or ("UTC" if schedule.tz is UTC else None)


def _cron(schedule: Any) -> dict[str, Any]:
    """Celery joins a day of the month and a weekday with "and", cron with "or"."""
    weekdays = "*" if len(schedule.day_of_week) == _WEEKDAYS else _field(schedule.day_of_week, 0, 6)
    days = _field(schedule.day_of_month, 1, 31)
    both = weekdays != "*" and days != "*"
    fields = [_field(schedule.minute, 0, 59), _field(schedule.hour, 0, 23), days]
    fields += [_field(schedule.month_of_year, 1, 12), "*" if both else weekdays]
    written = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return {
        "cron": " ".join(fields),
        "weekdays": tuple(sorted((day - 1) % _WEEKDAYS for day in schedule.day_of_week)) if both else (),
        "when": " ".join(str(getattr(schedule, f"_orig_{each}")) for each in written),
    }


def _field(values: Any, least: int, most: int) -> str:
    wanted = sorted(values)
    return "*" if wanted == list(range(least, most + 1)) else ",".join(map(str, wanted))
