"""A pool process of prefork: runs one delivery after the other for its worker and ends with it.

Several may have been sent; one begins when its permit has been read (permits.py), and its end is told before the
next. Successes are entered into the permits' table, which wakes nobody; the worker is rung for many of them at once:
when there is nothing more to begin, every few milliseconds, every so many. Anything else is sent on the spot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import celery_entries
from fleet.prctl import signal_when_parent_dies
from fleet.worker import stacks
from fleet.worker.app import Runner
from fleet.worker.execution import RunOptions
from fleet.worker.forks import give_copies_default_signals
from fleet.worker.limits import Alarm
from fleet.worker.log import Log
from fleet.worker.outcome import Policy
from fleet.worker.pools import preload
from fleet.worker.pools.frames import APART_BYTES, NOTHING, Unpacker, pack, receive
from fleet.worker.pools.permits import BEGUN, Entry, Permits

# The worker decides when a task ends, also when a terminal or a service manager signals the whole group.
HELD_OFF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UP, BROKEN, SHARED, DONE, RING = "up", "broken", "shared", "done", "ring"  # first field of what a child sends
_RING = pack((RING,))
_RING_AFTER = 16  # successes
_RING_AFTER_SECONDS = 0.002

# The fields of a Delivery that a task can depend on; the tag means nothing in another process.
SENT_FIELDS = (
    "queue",
    "body",
    "headers",
    "content_type",
    "content_encoding",
    "redelivered",
    "attempt",
)
# What only a Celery app asks for.
MORE_FIELDS = ("properties", "verdict")


_BODY = 1 + SENT_FIELDS.index("body")  # behind the serial number


def sent_fields(app: tuple[str, ...]) -> tuple[str, ...]:
    """Of a delivery for that app."""
    return (*SENT_FIELDS, *MORE_FIELDS) if celery_entries(app) else SENT_FIELDS


def to_send(
    serial: int, delivery: Delivery, values: Callable[[Delivery], tuple[Any, ...]]
) -> tuple[Any, ...]:
    """As a pool process gets it, in a list of such. In place of a large body, which follows the list, its size.

    `values`: an attrgetter of what is sent.
    """
    fields = (serial, *values(delivery))
    if len(delivery.body) >= APART_BYTES:
        return (*fields[:_BODY], len(delivery.body), *fields[_BODY + 1 :])
    return fields


def main(sock: socket.socket, permits: socket.socket) -> None:
    """Until the worker ends the permits."""
    _be_a_child()
    with contextlib.suppress(ConnectionError, EOFError):  # the worker may have left meanwhile
        if preload.birth.separate:
            preload.load()
        if preload.error is None and preload.shared is None:
            preload.enter()
        if preload.error is not None:
            sock.sendall(pack((BROKEN, preload.error)))
        elif preload.shared is not None:
            sock.sendall(pack((SHARED, preload.shared)))
        else:
            _serve(sock, Permits(permits))
    if preload.error is None and preload.shared is None:
        preload.app.leave()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not through multiprocessing's exit, which waits for threads that a task has left behind.
    os._exit(0)


def serve_desk(sock: socket.socket) -> None:
    """Instead of `main`: for remote control, until the worker ends. Exit code 0 when it is not wanted."""
    from fleet.worker.pools.desk_process import SocketChannel

    _be_a_child()
    if preload.birth.separate:
        preload.load()
    if preload.error is None and preload.shared is None:
        preload.app.serve_desk(SocketChannel(sock))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _be_a_child() -> None:
    for signum in HELD_OFF:
        signal.signal(signum, preload.ignore)
    signal.signal(preload.PARENT_DIED, signal.SIG_DFL)
    if not signal_when_parent_dies(signal.SIGKILL, preload.pid):
        os._exit(0)
    _forget_tracker()
    # After the handlers: programs are started by forking from here, and have to be ended by whoever started them.
    give_copies_default_signals(HELD_OFF)
    stacks.answer_signal()
    stacks.answer_when_asked()


def _forget_tracker() -> None:
    """What stands in its place (forkserver.py): Python starts one when a task first needs it."""
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
        tracker._fd = None


def _serve(sock: socket.socket, permits: Permits) -> None:
    app = preload.app
    executor = app.runner(
        RunOptions(limits=Alarm(app.soft_error), note=Log(preload.birth.app.worker).warning)
    )
    sock.sendall(pack((UP, app.owns, app.private_queues)))
    inbox = Inbox(sock, executor)
    bell = Bell(sock)
    tells_begun = bool(celery_entries(preload.birth.app.app))
    while True:
        serial = permits.take_now()
        if serial is None:
            bell.ring()
            serial = permits.take()
        delivery = inbox.find(serial)
        if tells_begun:
            delivery.on_begin = partial(permits.enter, Entry(serial, time.monotonic(), BEGUN, 0.0))
        outcome = executor.run(delivery)
        now = time.monotonic()
        if outcome.kind == "succeeded" and not outcome.result:
            permits.enter(Entry(serial, now, outcome.wall_seconds, outcome.cpu_seconds))
            bell.entered(now)
        else:
            sock.sendall(pack((DONE, serial, now, tuple(outcome))))


class Inbox:
    """Deliveries that have been sent, begun in that order; some never, for they have been taken back."""

    def __init__(self, sock: socket.socket, executor: Runner) -> None:
        self._sock = sock
        self._executor = executor
        self._names = sent_fields(preload.birth.app.app)
        self._unpacker = Unpacker()
        self._sent: deque[tuple[Any, ...]] = deque()

    def find(self, serial: int) -> Delivery:
        """EOFError when the worker has left."""
        while True:
            while self._sent:
                found, *fields = self._sent.popleft()
                if found == serial:
                    return Delivery(tag=None, **dict(zip(self._names, fields, strict=True)))
            self._take_next()

    def _take_next(self) -> None:
        """Not more than that: a large body must not hold up what was sent before it."""
        while (sent := self._unpacker.next()) is NOTHING:
            data = receive(self._sock)
            if not data:
                raise EOFError
            self._unpacker.add(data)
        if isinstance(sent, dict):  # no deliveries, but the group's policy, which has changed
            self._executor.configure(Policy(**sent))
        else:
            self._sent.extend(map(self._whole, sent))

    def _whole(self, sent: tuple[Any, ...]) -> tuple[Any, ...]:
        size = sent[_BODY]
        if not isinstance(size, int):
            return sent
        return (*sent[:_BODY], self._unpacker.raw(self._sock, size), *sent[_BODY + 1 :])


class Bell:
    """Wakes the worker for successes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._count = 0
        self._since = 0.0

    def entered(self, now: float) -> None:
        """One more, at `now`."""
        if not self._count:
            self._since = now
        self._count += 1
        if self._count >= _RING_AFTER or now - self._since >= _RING_AFTER_SECONDS:
            self.ring()

    def ring(self) -> None:
        if self._count:
            self._count = 0
            self._sock.sendall(_RING)
