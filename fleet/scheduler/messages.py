"""The message of a run: routed by the file, with the id of its moment, and the word where to tell its end."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.broker.delivery import MessageTooLarge, Posting
from fleet.broker.notes import orders_queue
from fleet.broker.redis.keys import urgency
from fleet.broker.urls import scheme
from fleet.launch_specs import ScheduleSpec
from fleet.protocol import Call, Encoded
from fleet.schedules.app_schedules import AppSchedule
from fleet.schedules.notes import Run
from fleet.schedules.orders import HEADER, Origin
from fleet.spec import QueueSpec, RoutingSpec
from fleet.tasks.routing import from_spec
from fleet.tasks.send_options import SendOptions
from fleet.tasks.sending import destination, posting, posting_of


class Messages:
    """Made from one routing; raises what `destination` raises for a task that no rule takes."""

    def __init__(self, fleet: str, routing: RoutingSpec, source: str) -> None:
        self._fleet = fleet
        self._rules = from_spec(routing, Path(source))
        self._origin = f"{os.getpid()}@{os.uname().nodename}"

    def target(self, schedule: ScheduleSpec) -> QueueSpec:
        return destination(self._rules, schedule.task, _options(schedule))[0]

    def message(self, schedule: ScheduleSpec, run: Run) -> Posting:
        """`run.sent_at` is when it is sent."""
        made = (
            self._by_app(schedule, run) if isinstance(schedule, AppSchedule) else self._by_file(schedule, run)
        )
        if len(made.message.body) > self._rules.spec.broker.max_message_bytes:
            raise MessageTooLarge(
                f"its arguments take {len(made.message.body)} bytes, more than max_message_size"
            )
        return made

    def _by_app(self, schedule: AppSchedule, run: Run) -> Posting:
        assert schedule.make is not None, "the app makes it"
        made = schedule.make(run.id)
        queue, _ = destination(self._rules, schedule.task, SendOptions(queue=made.queue))
        message, priority = made.message, made.priority
        if priority is not None:
            if scheme(self._rules.spec.broker.url) == "redis":
                priority = urgency(priority)  # there Celery's most urgent one is 0
            message = message._replace(properties={**message.properties, "priority": priority})
        return posting_of(message, queue, made.delay_seconds, headers=self._told(schedule, run))

    def _told(self, schedule: ScheduleSpec, run: Run) -> dict[str, str]:
        return {HEADER: Origin(schedule.name, run.moment, orders_queue(self._fleet)).written()}

    def _by_file(self, schedule: ScheduleSpec, run: Run) -> Posting:
        queue, priority = destination(self._rules, schedule.task, _options(schedule))
        expires = schedule.expires_seconds
        call = Call(
            id=run.id,
            task=schedule.task,
            args=tuple(schedule.args),
            kwargs=dict(schedule.kwargs),
            expires=None if expires is None else run.sent_at / 1000 + expires,
        )
        return posting(call, queue, priority, origin=self._origin, headers=self._told(schedule, run))


def _options(schedule: ScheduleSpec) -> SendOptions:
    return SendOptions(queue=schedule.queue, priority=schedule.priority)


def order_message(body: bytes) -> Encoded:
    return Encoded(body, {}, {"delivery_mode": 2})
