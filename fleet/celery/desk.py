"""The desk: answers Celery's remote control, sends its events and heartbeats. Apart from the loop, and from tasks.

Commands are Celery's own (`celery.worker.control.Panel`, with those that the app has added); they find what they look
at in a stand-in for Celery's consumer and in `celery.worker.state`, which is filled from a snapshot of the loop's.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.utils.collections import AttributeDict
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.control import Panel
from celery.worker.state import SOFTWARE_INFO

from fleet.celery import native_delays, redis_leftovers
from fleet.celery.consumer_stand_in import ConsumerStandIn
from fleet.celery.redis_broadcasts import RedisBroadcasts
from fleet.celery.stand_in import WorkerStandIn
from fleet.celery.worker_queues import is_by_pubsub
from fleet.worker.app import AppSpec
from fleet.worker.desk_channel import Channel, Event

if TYPE_CHECKING:
    from celery import Celery

_logger = get_logger("celery.worker.pidbox")
_HEARTBEAT_SECONDS = 2.0  # as Celery's default is
_BROKER_HEARTBEAT_SECONDS = 30.0
_DRAIN_SECONDS = 1.0
_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 0.5, 15.0


class Desk:
    """`serve` returns when the worker has ended."""

    def __init__(
        self, app: Celery, node_name: str, spec: AppSpec, stand_in: WorkerStandIn, channel: Channel
    ) -> None:
        self._app = app
        self._node_name = node_name
        self._channel = channel
        self._worker = stand_in
        self._over = threading.Event()
        self._dispatcher: Any = None
        self.consumer = ConsumerStandIn(app, node_name, spec, channel)
        stand_in.consumer = self.consumer
        self._is_first = spec.worker.endswith("/0")
        self._broadcasts = RedisBroadcasts(app, node_name, spec.queues, self._over)
        self._node: Any = app.control.mailbox.Node(
            node_name,
            handlers={**Panel.data, "time_limit": self._time_limit},
            state=AttributeDict(app=app, hostname=node_name, consumer=self.consumer, tset=set),
        )
        self._answer, self._node.reply = self._node.reply, self._reply

    def serve(self) -> None:
        mailbox = None
        if self._app.conf.worker_enable_remote_control:
            mailbox = threading.Thread(target=self._serve_mailbox, name="fleet-mailbox", daemon=True)
            mailbox.start()
        if native_delays.are_used(self._app):
            delays = (self._app, self._over)
            threading.Thread(
                target=native_delays.declare, args=delays, name="fleet-delays", daemon=True
            ).start()
        if self._is_first and is_by_pubsub(self._app):
            told = (self._app, _logger.warning, self._over)
            threading.Thread(target=redis_leftovers.say, args=told, name="fleet-left", daemon=True).start()
        if self._broadcasts and is_by_pubsub(self._app):
            threading.Thread(target=self._serve_broadcasts, name="fleet-broadcasts", daemon=True).start()
        try:
            self._serve_events()
        finally:
            self._over.set()
            if mailbox is not None:
                mailbox.join(_DRAIN_SECONDS)

    # Remote control

    def _time_limit(
        self, state: Any, task_name: str = "", hard: Any = None, soft: Any = None, **_: Any
    ) -> Any:
        """Celery's command sets it on the task of this process; others run it."""
        reply = Panel.data["time_limit"](state, task_name=task_name, hard=hard, soft=soft)
        if "ok" in reply:
            self._channel.ask("time_limit", task=task_name, soft=soft, hard=hard)
        return reply

    def _reply(self, *arguments: Any, **named: Any) -> None:
        """An answer says what holds: that something is revoked not before the worker knows of it."""
        self.consumer.tell_revoked()
        self._answer(*arguments, **named)

    def _serve_mailbox(self) -> None:
        def serve(connection: Any) -> None:
            self._node.channel = connection.channel()
            consumer = self._node.listen(callback=self._on_message)
            consumer.on_decode_error = lambda _message, error: _logger.error("can't decode: %r", error)
            with contextlib.closing(_Cancelled(consumer)):
                while not self._over.is_set():
                    self._drain(connection)

        known = self._channel.ask("revoked")
        state.revoked.update(known["ids"])
        state.revoked_stamps.update(known["stamps"])
        self._keep_connected(self._app.connection_for_read, serve)

    def _serve_broadcasts(self) -> None:
        def serve(connection: Any) -> None:
            self._broadcasts.serve(connection, self._drain)

        self._keep_connected(self._app.connection_for_read, serve)

    def _drain(self, connection: Any) -> None:
        with contextlib.suppress(socket.timeout, TimeoutError):
            connection.drain_events(timeout=_DRAIN_SECONDS)
        if connection.heartbeat and connection.supports_heartbeats:
            connection.heartbeat_check()

    def _keep_connected(self, connect: Callable[..., Any], serve: Callable[[Any], None]) -> None:
        """Call `serve` with a connection, again and again, until the worker ends."""
        pause = _AGAIN_SECONDS
        while not self._over.is_set():
            try:
                with connect(heartbeat=_BROKER_HEARTBEAT_SECONDS) as connection:
                    connection.connect()
                    pause = _AGAIN_SECONDS
                    serve(connection)
            except Exception as error:  # whatever a transport raises when its broker is away
                if not self._over.is_set():
                    _logger.warning("connection of the desk: %r; connecting again in %.1fs", error, pause)
            self._over.wait(pause)
            pause = min(pause * 2, _AGAIN_MOST_SECONDS)

    def _on_message(self, body: Any, message: Any) -> None:
        """Whatever anybody sent: it must not end the desk."""
        self._app.clock.forward()
        try:
            if not isinstance(body, dict):
                raise TypeError(f"a control message must be an object, not {type(body).__name__}")
            self.consumer.refresh()
            self._node.handle_message(body, message)
            self.consumer.tell_revoked()  # who asked may not have wanted an answer
        except KeyError as error:
            _logger.error("no such control command: %s", error)
        except SystemExit:  # WorkerShutdown
            self._channel.ask("shutdown")
        except Exception as error:
            _logger.error("control command: %r", error, exc_info=True)

    # Events

    def _serve_events(self) -> None:
        beat_at = time.monotonic()
        self._open_dispatcher()
        while (events := self._channel.events(max(0.0, beat_at - time.monotonic()))) is not None:
            for event in events:
                self._pass_on(event)
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + _HEARTBEAT_SECONDS
                self._beat("worker-heartbeat")
        self._beat("worker-offline")
        if self._worker.is_ready:
            signals.worker_shutdown.send(sender=self._worker)

    def _open_dispatcher(self) -> None:
        conf = self._app.conf
        self._connection = self._app.connection_for_write()
        groups = None if conf.worker_send_task_events else ["worker"]
        try:
            self._dispatcher = self._app.events.Dispatcher(
                self._connection, hostname=self._node_name, enabled=True, groups=groups
            )
        except Exception as error:  # a transport without what events need
            _logger.warning("no events: %r", error)
            return
        self._dispatcher.pid = self._worker.pid
        self.consumer.event_dispatcher = _Switch(self._dispatcher, self._channel)
        if conf.worker_send_task_events:
            self._channel.ask("events", on=True)
        self._beat("worker-online")

    def _pass_on(self, event: Event) -> None:
        kind, fields = event
        if kind == "ready":
            self._worker.is_ready = True
            signals.worker_ready.send(sender=self.consumer)
        elif kind == "shutting down":
            signals.worker_shutting_down.send(sender=self._node_name, sig=None, how="Warm", exitcode=0)
        else:
            self._send(kind, **fields)

    def _beat(self, kind: str) -> None:
        if signals.heartbeat_sent.receivers:
            signals.heartbeat_sent.send(sender=self)
        try:
            active, processed = self.consumer.load()
        except (TimeoutError, OSError):  # the loop is busy, or has ended
            active, processed = 0, 0
        from celery.utils.sysinfo import load_average

        self._send(
            kind,
            freq=_HEARTBEAT_SECONDS,
            active=active,
            processed=processed,
            loadavg=load_average(),
            **SOFTWARE_INFO,
        )

    def _send(self, kind: str, **fields: Any) -> None:
        if self._dispatcher is None:
            return
        try:
            self._dispatcher.send(kind, **fields)
            self._dispatcher.flush()
        except Exception as error:  # the broker is away: events are not worth keeping
            _logger.debug("event %s: %r", kind, error)


class _Switch:
    """The dispatcher for `enable_events` and `disable_events`: the loop is told, too."""

    def __init__(self, dispatcher: Any, channel: Channel) -> None:
        self._dispatcher = dispatcher
        self.groups = _Groups(dispatcher.groups, channel)
        dispatcher.groups = self.groups

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dispatcher, name)


class _Groups(set[str]):
    """Celery's set of groups that are sent; empty means all."""

    def __init__(self, groups: set[str], channel: Channel) -> None:
        super().__init__(groups)
        self._channel = channel

    def add(self, group: str) -> None:
        super().add(group)
        if group == "task":
            self._channel.ask("events", on=True)

    def discard(self, group: object) -> None:
        super().discard(group)
        if group == "task":
            self._channel.ask("events", on=False)


class _Cancelled:
    """For `contextlib.closing`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the connection is gone
            self._consumer.cancel()
