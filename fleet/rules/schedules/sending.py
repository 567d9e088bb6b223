"""The messages of schedules: to which queue, under which name, for how long they are wanted, one beside the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from fleet.config.model import Fleet, Schedule, format_duration
from fleet.machine import Machine
from fleet.rules.consumption_facts import consumed, consumers, is_guesswork
from fleet.rules.finding import Add, Change, Finding, Mark
from fleet.rules.queues.consumption import undeclared
from fleet.rules.registry import on_request, rule
from fleet.rules.schedules.times import key_of_time, period_seconds, spoken

_SENDING = (
    *("schedules.task", "schedules.queue", "all queues.", "all routes.task", "all routes.queue"),
    *("all workers.queues", "all workers.replicas"),
)


class RunTime(NamedTuple):
    """How long runs take, in seconds on average; `known`: of how many."""

    known: int
    seconds: float


def queue_of(fleet: Fleet, schedule: Schedule) -> str | None:
    """Where its messages go; None when no rule takes them."""
    if schedule.queue is not None:
        return schedule.queue
    for route in fleet.routes:
        if any(fnmatchcase(schedule.task, pattern) for pattern in route.task):
            return route.queue
    return None


@rule("FLT804", "schedule-to-nowhere", "error", fix="unsafe", reads=_SENDING)
def schedule_to_nowhere(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule sends to no queue, or to one that nobody consumes.

    A task that no route takes can't be sent: each run would fail, at night, in a log. A queue that no
    group with replicas consumes takes the messages, and they pile up there, one with each run. Nor is a pattern such as
    "shop.*" the name of a task: no worker knows it. What
    `@task(queue=…)` says is not known to the clock: give the schedule a `queue`.

    Bad:

        [[routes]]
        task = "shop.images.*"
        queue = "images"

        [workers.images]
        queues = ["images"]
        pool = "prefork"

        [[schedules]]
        task = "shop.reports.nightly"
        cron = "0 3 * * *"

    Good:

        [[routes]]
        task = ["shop.images.*", "shop.reports.*"]
        queue = "images"

        [workers.images]
        queues = ["images"]
        pool = "prefork"

        [[schedules]]
        task = "shop.reports.nightly"
        cron = "0 3 * * *"
    """
    for index, schedule in enumerate(fleet.schedules):
        queue = queue_of(fleet, schedule)
        if any(sign in schedule.task for sign in "*?["):
            yield Finding(
                ("schedules", index, "task"),
                f'schedule "{schedule.called}" sends one task by its name, and "{schedule.task[:80]}" is a pattern',
                help="the whole name of a task; a schedule for each, if there are several",
            )
        elif queue is None:
            yield Finding(
                ("schedules", index, "task"),
                f'schedule "{schedule.called}" can\'t be sent: no route takes "{schedule.task}"',
                help='add a rule, a catch-all task = "*" at the end, or a `queue` to the schedule',
                about=(("routes",),),
            )
        elif queue not in fleet.queues:
            if schedule.queue is not None:  # else FLT201 says it of the route
                path = ("schedules", index, "queue")
                yield undeclared(
                    fleet, path, f'schedule "{schedule.called}" sends to the queue "{queue}"', queue
                )
        elif queue not in consumed(fleet) and not is_guesswork(fleet):
            yield Finding(
                ("schedules", index, "queue" if schedule.queue is not None else "task"),
                f'schedule "{schedule.called}" sends to the queue "{queue}", which no group with replicas consumes',
                help=f'add "{queue}" to the `queues` of a group, or send it elsewhere',
                about=(("queues", queue),),
            )


@rule("FLT805", "schedules-of-one-name", "error", reads=("all schedules.name", "all schedules.task"))
def schedules_of_one_name(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Two schedules have the same name.

    The name is what a schedule's last run is remembered by, and part of the id of each run: of two with
    one name the second would be taken for the first. Without a `name` it is the task's; two schedules of
    one task therefore need one.

    Bad:

        [[schedules]]
        task = "shop.stock.sync"
        cron = "0 8 * * *"

        [[schedules]]
        task = "shop.stock.sync"
        cron = "0 20 * * *"

    Good:

        [[schedules]]
        name = "sync-morning"
        task = "shop.stock.sync"
        cron = "0 8 * * *"

        [[schedules]]
        name = "sync-evening"
        task = "shop.stock.sync"
        cron = "0 20 * * *"
    """
    places: dict[str, list[int]] = defaultdict(list)
    for index, schedule in enumerate(fleet.schedules):
        places[schedule.called].append(index)
    for name, indexes in places.items():
        for index in indexes[1:]:
            key = "name" if fleet.schedules[index].name is not None else "task"
            yield Finding(
                ("schedules", index, key),
                f'a second schedule is called "{name}"',
                related=(Mark(("schedules", indexes[0]), "the first one", "key"),),
                help="give it a `name` of its own",
            )


@rule("FLT806", "expires-longer-than-period", "warning", fix="unsafe", reads=("schedules.*",))
def expires_longer_than_period(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A run may still wait when the next one is sent.

    `expires` is there so that runs that come too late are dropped instead of piling up: after an outage of
    the workers the queue holds one run, or none. With an `expires` longer than the period they pile up all
    the same, as many as fit into it.

    Bad:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        expires = "1h"

    Good:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        expires = "50s"
    """
    for index, schedule in enumerate(fleet.schedules):
        if schedule.expires is None or schedule.overlap == "skip":
            continue
        period = period_seconds(fleet, schedule)
        if period is not None and schedule.expires.total_seconds() > period:
            yield Finding(
                ("schedules", index, "expires"),
                f'runs of schedule "{schedule.called}" expire after {format_duration(schedule.expires)}, '
                f"but come every {spoken(period)}: while workers are behind, several wait at once",
                help='an `expires` below the period, or overlap = "skip"',
                steps=(Change(("schedules", index, "expires"), f'"{spoken(period * 0.9)}"'),),
            )


@rule(
    "FLT811",
    "skip-with-early-acks",
    "warning",
    reads=(*_SENDING, "schedules.overlap", "all workers.acks"),
)
def skip_with_early_acks(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`overlap = "skip"` where workers settle a message before its task runs.

    With `acks = "early"` the broker, and the scheduler with it, hears that a message is done with when its
    task begins, and nothing of its end: the next run is sent beside the one that still runs, which is what
    `skip` was to prevent.

    Bad:

        [workers.sync]
        queues = ["sync"]
        acks = "early"
        pool = "threads"

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        queue = "sync"
        overlap = "skip"

    Good:

        [workers.sync]
        queues = ["sync"]
        acks = "late"
        pool = "threads"

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        queue = "sync"
        overlap = "skip"
    """
    for index, schedule in enumerate(fleet.schedules):
        queue = queue_of(fleet, schedule)
        if schedule.overlap != "skip" or queue is None:
            continue
        early = [name for name in consumers(fleet).get(queue, ()) if fleet.workers[name].acks == "early"]
        for name in early[:1]:
            yield Finding(
                ("schedules", index, "overlap"),
                f'schedule "{schedule.called}" is to skip runs while one goes on, but group "{name}" '
                "acknowledges a run before it starts, and so nobody knows whether it goes on",
                related=(Mark(("workers", name, "acks"), "acknowledged before the task runs"),),
                help='acks = "late" for that group',
            )


@on_request("FLT810", "schedule-faster-than-its-task", "warning", fix="unsafe")
def schedule_faster_than_its_task(fleet: Fleet, times: Mapping[str, RunTime]) -> Iterator[Finding]:
    """A schedule fires more often than its task takes (`--connect`).

    Runs then pile up: several go on at once, more with each period, until all slots of the group are taken
    by them. `overlap = "skip"` leaves out what comes while one still runs. What its runs took on average, within
    a week, is known where this fleet has run on this machine, else of the last run: only
    `fleet validate --connect` looks.

    Bad, where a run takes three minutes:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"

    Good:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1m"
        overlap = "skip"
    """
    for index, schedule in enumerate(fleet.schedules):
        runs, period = times.get(schedule.called), period_seconds(fleet, schedule)
        if schedule.overlap == "skip" or runs is None or period is None or runs.seconds <= period:
            continue
        took = f"its last run took {spoken(runs.seconds)}"
        if runs.known > 1:
            seconds = round(runs.seconds, 0 if runs.seconds >= 10 else 3)
            took = f"{runs.known:,} runs of its task took {spoken(seconds)} on average"
        yield Finding(
            key_of_time(index, schedule),
            f'schedule "{schedule.called}" fires every {spoken(period)}, and {took}',
            help='overlap = "skip", or fire less often',
            steps=(Add(("schedules", index), "overlap", '"skip"'),),
        )
