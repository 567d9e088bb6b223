"""A pool process of prefork: runs one delivery after the other for its worker and ends with it.

Several may have been sent; one begins when its permit has been read (ledger.py), and its end is told before the
next. Successes are entered into the ledger, which wakes nobody, and the worker is rung for many of them at once:
when there is nothing more to begin, every few milliseconds, every so many. Anything else is sent on the spot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from multiprocessing import resource_tracker
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.worker.execution import Executor
from fleet.worker.limits import Alarm
from fleet.worker.outcome import Policy
from fleet.worker.parent import signal_when_parent_dies
from fleet.worker.pools import nursery
from fleet.worker.pools.frames import Unpacker, pack, receive
from fleet.worker.pools.ledger import Entry, Permits

UP, BROKEN, DONE, RING = "up", "broken", "done", "ring"  # first field of what a child sends
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


def to_send(serial: int, delivery: Delivery) -> tuple[Any, ...]:
    """As a pool process gets it, in a list of such."""
    return (serial, *[getattr(delivery, name) for name in SENT_FIELDS])


def main(sock: socket.socket, ledger: socket.socket) -> None:
    """Until the worker ends the permits."""
    _be_a_child()
    with contextlib.suppress(ConnectionError, EOFError):  # the worker may have left meanwhile
        if nursery.error is not None:
            sock.sendall(pack((BROKEN, nursery.error)))
        else:
            _serve(sock, Permits(ledger))
    sys.stdout.flush()
    sys.stderr.flush()
    # Not through multiprocessing's exit, which waits for threads that a task has left behind.
    os._exit(0)


def _be_a_child() -> None:
    # The worker decides when a task ends, also when a terminal or a service manager signals the whole group.
    signal.signal(signal.SIGINT, nursery.ignore)
    signal.signal(signal.SIGTERM, nursery.ignore)
    signal.signal(signal.SIGHUP, nursery.ignore)
    signal.signal(nursery.PARENT_DIED, signal.SIG_DFL)
    if not signal_when_parent_dies(signal.SIGKILL, nursery.pid):
        os._exit(0)
    _forget_tracker()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)


def _forget_tracker() -> None:
    """What stands in its place (forkserver.py): Python starts one when a task first needs it."""
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
        tracker._fd = None


def _serve(sock: socket.socket, permits: Permits) -> None:
    birth = nursery.birth
    executor = Executor(nursery.targets, accept=birth.accept, limits=Alarm())
    sock.sendall(pack((UP, {name: target.own for name, target in nursery.targets.items()})))
    inbox = Inbox(sock, executor)
    bell = Bell(sock)
    while True:
        serial = permits.take_now()
        if serial is None:
            bell.ring()
            serial = permits.take()
        outcome = executor.run(inbox.find(serial))
        now = time.monotonic()
        if outcome.kind == "succeeded":
            permits.enter(Entry(serial, now, outcome.wall_seconds, outcome.cpu_seconds))
            bell.entered(now)
        else:
            sock.sendall(pack((DONE, serial, now, tuple(outcome))))


class Inbox:
    """Deliveries that have been sent, begun in that order; some never, for they have been taken back."""

    def __init__(self, sock: socket.socket, executor: Executor) -> None:
        self._sock = sock
        self._executor = executor
        self._unpacker = Unpacker()
        self._sent: deque[tuple[Any, ...]] = deque()

    def find(self, serial: int) -> Delivery:
        """EOFError when the worker has left."""
        while True:
            while self._sent:
                found, *fields = self._sent.popleft()
                if found == serial:
                    return Delivery(tag=None, **dict(zip(SENT_FIELDS, fields, strict=True)))
            self._receive()

    def _receive(self) -> None:
        data = receive(self._sock)
        if not data:
            raise EOFError
        for sent in self._unpacker.feed(data):
            if isinstance(sent, dict):  # no deliveries, but the group's policy, which has changed
                self._executor.configure(Policy(**sent))
            else:
                self._sent += sent


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
