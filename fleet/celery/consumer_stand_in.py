"""The stand-in for Celery's consumer: `state.consumer` of remote control's commands, made of snapshots of the loop."""

from __future__ import annotations

import resource
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from celery.worker import state
from kombu import Queue

from fleet.broker.delivery import Delivery
from fleet.celery import message
from fleet.celery.requests import make_request
from fleet.protocol import MalformedMessage
from fleet.worker.app import AppSpec
from fleet.worker.desk_channel import Channel
from fleet.worker.remote import FIELDS

if TYPE_CHECKING:
    from celery import Celery

_ETA_PRIORITY = 6  # what Celery's timer has for tasks with an eta


class ConsumerStandIn:
    """Consumer, controller, pool and timer in one: each command reads a few attributes of some of them."""

    gossip = None
    autoscaler = None
    hub = None
    event_dispatcher: Any = None

    def __init__(self, app: Celery, node_name: str, spec: AppSpec, channel: Channel) -> None:
        self.app = app
        self.hostname = node_name
        self._spec = spec
        self._channel = channel
        self._began_at = time.time()
        self._snapshot: dict[str, Any] = {}
        self._known_ids: set[str] = set()
        self._rates = {name: task.rate_limit for name, task in app.tasks.items()}
        self._kept: list[Any] = []
        self._known_stamps: dict[str, list[Any]] = {}
        self.controller = self.pool = self.connection = self

    # Of the loop

    def refresh(self) -> None:
        """Before each command."""
        self._snapshot = snapshot = self._channel.ask("snapshot") or self._snapshot
        state.requests.clear()
        state.reserved_requests.clear()
        state.active_requests.clear()
        if hasattr(state, "scheduled_requests"):  # Celery 5.6 has none
            state.scheduled_requests.clear()
        state.total_count.clear()
        state.total_count.update(snapshot["totals"])
        state.all_total_count[:] = [sum(snapshot["totals"].values())]
        self._kept = []  # the sets hold them weakly
        for each in snapshot["active"]:
            if (request := self._request(each["fields"])) is not None:
                request.time_start, request.worker_pid = each["began"], each["pid"]
                request.acknowledged = each["acknowledged"]
                state.task_reserved(request)
                state.active_requests.add(request)
        for fields in snapshot["reserved"]:
            if (request := self._request(fields)) is not None:
                state.task_reserved(request)
        self._known_ids = set(state.revoked)
        self._known_stamps = {name: list(values) for name, values in state.revoked_stamps.items()}

    def _request(self, fields: tuple[Any, ...]) -> Any:
        delivery = Delivery(tag=None, **dict(zip(FIELDS, fields, strict=True)))
        try:
            called = message.read(delivery, tuple(self.app.conf.accept_content), self._spec.most_bytes)
            task = self.app.tasks[called.name]
        except (MalformedMessage, KeyError):
            return None
        request, _ = make_request(self.app, task, called, delivery, self.hostname)
        request.terminate = partial(self._terminate, request.id)
        self._kept.append(request)
        return request

    def tell_revoked(self) -> None:
        """After each command: the loop learns what is new."""
        ids = [ident for ident in state.revoked if ident not in self._known_ids]
        stamps = {
            name: [value for value in values if value not in self._known_stamps.get(name, ())]
            for name, values in state.revoked_stamps.items()
        }
        stamps = {name: values for name, values in stamps.items() if values}
        if ids or stamps:
            self._channel.ask("revoke", ids=ids, stamps=stamps)
            self._known_ids.update(ids)
            for name, values in stamps.items():
                self._known_stamps.setdefault(name, []).extend(values)

    @property
    def timer(self) -> Any:
        """For `inspect scheduled`: tasks that wait in the broker for their time."""
        requests = [self._request(fields) for fields in self._channel.ask("scheduled")]
        waiting = [
            SimpleNamespace(priority=_ETA_PRIORITY, entry=SimpleNamespace(args=(request,)))
            for request in requests
            if request is not None
        ]
        return SimpleNamespace(schedule=SimpleNamespace(queue=waiting))

    def load(self) -> tuple[int, int]:
        """How many tasks run, and how many have."""
        snapshot = self._channel.ask("snapshot")
        return len(snapshot["active"]), sum(snapshot["totals"].values())

    # As consumer

    def reset_rate_limits(self) -> None:
        """What `rate_limit` has set on the task."""
        for name, task in self.app.tasks.items():
            if task.rate_limit != self._rates.get(name):
                self._rates[name] = task.rate_limit
                self._channel.ask("rate_limit", task=name, rate=task.rate_limit and str(task.rate_limit))

    def call_soon(self, function: Any, *arguments: Any, **options: Any) -> None:
        function(*arguments, **options)

    def add_task_queue(self, queue: str, *_: Any, **__: Any) -> None:
        self._channel.ask("consume", queue=queue)

    def cancel_task_queue(self, queue: str) -> None:
        self._channel.ask("cancel", queue=queue)

    @property
    def task_consumer(self) -> Any:
        return SimpleNamespace(queues=[self._queue(name) for name in self._snapshot["queues"]])

    def _queue(self, name: str) -> Any:
        queues = self.app.amqp.queues
        return queues[name] if name in queues or self.app.conf.task_create_missing_queues else Queue(name)

    def _update_prefetch_count(self, _by: int) -> None:
        """Follows the concurrency."""

    # As pool

    def grow(self, by: int) -> None:
        self._channel.ask("grow", by=by)

    def shrink(self, by: int) -> None:
        self._channel.ask("grow", by=-by)

    def terminate_job(self, _pid: int, _signal: int | None = None) -> None:
        """Requests have a `terminate` of their own here."""

    def _terminate(self, ident: str, _pool: Any = None, signal: Any = None) -> None:
        from billiard.common import TERM_SIGNAME
        from celery.platforms import signals

        self._channel.ask("terminate", id=ident, signum=int(signals.signum(signal or TERM_SIGNAME)))

    # As controller

    def stats(self) -> dict[str, Any]:
        """As `celery inspect stats` has it."""
        snapshot = self._snapshot
        usage = resource.getrusage(resource.RUSAGE_SELF)
        names = [name for name in dir(usage) if name.startswith("ru_")]
        soft, hard = snapshot["time_limits"]
        return {
            "total": snapshot["totals"],
            "pid": snapshot["pid"],
            "clock": str(self.app.clock),
            "uptime": round(time.time() - self._began_at),
            "pool": {
                "implementation": f"fleet:{self._spec.pool}",
                "max-concurrency": snapshot["slots"],
                "processes": snapshot["children"] or [snapshot["pid"]],
                "max-tasks-per-child": snapshot["max_tasks"] or "N/A",
                "timeouts": [soft or 0, hard or 0],
            },
            "prefetch_count": 0,
            "broker": self.app.connection_for_read().info(),
            "rusage": {name[3:]: getattr(usage, name) for name in names},
        }
