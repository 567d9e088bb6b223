"""Schedules as the API answers them, and the orders of people: run now, pause, resume.

Orders go through the broker, to the schedulers of all hosts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from fleet.controller.observed.queue_stats import in_own_thread
from fleet.controller.observed.schedules import read_known, with_app, with_next
from fleet.controller.reconciler import Reconciler
from fleet.controller.state.overrides import LONGEST_SECONDS
from fleet.duration_words import exactly
from fleet.fleet_state import FleetState
from fleet.launch_specs import ScheduleSpec
from fleet.schedules.app_schedules import AppSchedule

VERBS = frozenset({"run", "pause", "resume"})
_HEARD_SECONDS = 4.0
_LOOK_SECONDS = 0.1


class NotDone(Exception):  # noqa: N818
    """The text says why, `status` is that of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def command(
    reconciler: Reconciler, known_file: Path, verb: str, arguments: Mapping[str, Any], actor: str
) -> dict[str, Any]:
    """What was done, in words. Raises NotDone."""
    declared = reconciler.declaration.accepted
    if declared is None:
        raise NotDone(503, "the controller has no valid configuration yet")
    known = await asyncio.to_thread(read_known, known_file)
    schedule = _schedule(with_app(declared.schedules, known), arguments.get("name"))
    if verb == "run" and isinstance(schedule, AppSchedule):
        ident = str(uuid4())
        await _published(lambda: _tell(declared, "run", schedule.name, id=ident))
        return {
            "outcome": f"asked the scheduler to send {schedule.task}: {ident}",
            "id": ident,
            "queue": None,
        }
    if verb == "run":
        ident, queue = await _published(lambda: _run(declared, str(reconciler.file), schedule))
        return {"outcome": f"sent {schedule.task} to {queue}: {ident}", "id": ident, "queue": queue}
    until = _until(arguments.get("for_seconds")) if verb == "pause" else None
    more = {"until": until, "reason": arguments.get("reason")} if verb == "pause" else {}
    await _published(lambda: _tell(declared, verb, schedule.name, by=actor, **more))
    heard = await _heard(known_file, schedule.name, wants_pause=verb == "pause")
    lasting = f" for {exactly(arguments['for_seconds'])}" if until is not None else ""
    said = f"{schedule.name} is paused{lasting}" if verb == "pause" else f"{schedule.name} goes on"
    return {"outcome": said if heard else f"{said} as soon as a scheduler hears of it", "heard": heard}


async def answer(reconciler: Reconciler, status: Mapping[str, Any]) -> dict[str, Any]:
    """`GET /schedules`: those of the status, each with its next five."""
    declared = reconciler.declaration.accepted
    known = await asyncio.to_thread(read_known, reconciler.state.schedules_known)
    assert declared is not None, "there is no status without it"
    by_name = {each.name: each for each in with_app(declared.schedules, known)}
    now = time.time()
    found = [
        with_next(declared.fleet, by_name[each["name"]], each, now)
        for each in status["schedules"]
        if each["name"] in by_name
    ]
    return {"at": now, "scheduler": status["scheduler"], "schedules": found}


def _schedule(schedules: Sequence[ScheduleSpec], name: Any) -> ScheduleSpec:
    for each in schedules:
        if each.name == name:
            return each
    there = ", ".join(each.name for each in schedules) or "none"
    raise NotDone(400, f"there is no schedule {name!r}; there are: {there}")


def _until(seconds: Any) -> int | None:
    """In milliseconds since 1970."""
    if seconds is None:
        return None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= LONGEST_SECONDS:
        raise NotDone(400, f"for_seconds: expected a number of seconds above 0, got {seconds!r}")
    return int((time.time() + seconds) * 1000)


async def _published(publish: Callable[[], Any]) -> Any:
    from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge
    from fleet.broker.router import Unroutable
    from fleet.tasks.sending import UnknownQueue

    try:
        return await in_own_thread(publish)
    except (Unroutable, UnknownQueue, MessageTooLarge, TypeError) as error:
        raise NotDone(400, str(error)) from error
    except BrokerUnavailable as error:
        raise NotDone(503, str(error)) from error


def _run(declared: FleetState, source: str, schedule: ScheduleSpec) -> tuple[str, str]:
    """Beside the moments, with an id of its own: whatever the clock says is sent none the less."""
    from fleet.broker.producer import producer
    from fleet.scheduler.messages import Messages
    from fleet.schedules.notes import Run

    messages = Messages(declared.fleet, declared.routing, source)
    now = int(time.time() * 1000)
    run = Run(str(uuid4()), now, now)
    target = messages.target(schedule)
    producer(declared.routing.broker).publish([messages.message(schedule, run)], target)
    return run.id, target.name


def _tell(declared: FleetState, verb: str, name: str, **more: Any) -> None:
    from fleet.broker.delivery import Posting
    from fleet.broker.notes import orders_spec
    from fleet.broker.producer import producer
    from fleet.scheduler.messages import order_message
    from fleet.schedules.orders import order

    queue = orders_spec(declared.fleet, declared.routing.broker)
    message = order_message(order(verb, name, **more))
    producer(declared.routing.broker).publish([Posting(queue.name, message)], queue)


async def _heard(known_file: Path, name: str, *, wants_pause: bool) -> bool:
    """Whether this host's scheduler has it in its notes."""
    deadline = time.monotonic() + _HEARD_SECONDS
    while time.monotonic() < deadline:
        known = await asyncio.to_thread(read_known, known_file)
        note = (known.get("schedules") or {}).get(name) or {}
        if note and (note.get("pause") is not None) == wants_pause:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False
