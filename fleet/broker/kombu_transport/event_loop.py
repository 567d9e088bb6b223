"""A connection's place in kombu's event loop, which Celery's prefork, threads and solo workers run."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from fleet.broker.kombu_transport.wakeup import Wakeup
from fleet.clock import time

_LOOK_AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.05


class EventLoop:
    """Looks for messages when the loop comes round and something may be there; never blocks it by waiting.

    `transport` and `loop` are kombu's. What the broker's connection fails with comes out of the loop, as
    Celery expects.
    """

    def __init__(self, transport: Any, loop: Any) -> None:
        self._transport = transport
        self._loop = loop
        self._hint: int | None = None
        self._look_at = 0.0
        self._full: list[Any] = []
        # Celery hands the acks of pool threads to the loop, and kombu before 5.7 does not wake it for them.
        self._pause_when_full = _LOOK_AGAIN_SECONDS if hasattr(loop, "_waker") else _POLL_SECONDS
        self._timer: Any = None
        self._timer_at = 0.0
        self._nudge = Wakeup()
        loop.add_reader(self._nudge.fileno(), self._nudge.clear)
        # Its own descriptor: the transport may close the pipe before the loop forgets it.
        self._wakeup = os.dup(transport.wakeup.fileno())
        loop.add_reader(self._wakeup, _nothing)  # the tick that follows is what it is for
        loop.on_tick.add(self._on_tick)

    def unregister(self) -> None:
        self._loop.on_tick.discard(self._on_tick)
        self._cancel_timer()
        self._unwatch()
        self._forget(self._wakeup)
        self._remove(self._nudge.fileno())
        self._nudge.close()

    def _on_tick(self) -> None:
        transport = self._transport
        is_due = transport.wakeup.is_set or time.monotonic() >= self._look_at
        if not is_due and not any(channel.has_room() for channel in self._full):
            return  # Celery may give us room without telling us: hence that look, which asks no broker
        delivered = transport.deliver_ready()
        wanted = transport.wanted()
        self._full = transport.full()
        pause = self._pause_when_full if self._full else _LOOK_AGAIN_SECONDS
        if not wanted:
            # Full: what wakes us now would only lie here while others could do it.
            self._unwatch()
            transport.store.unlisten()
        elif not delivered:
            pause = min(pause, self._listen(wanted))
        if delivered and wanted:
            transport.wakeup.set()  # there may be more; but the loop has its turn first
        self._look_again_in(pause)

    def _listen(self, queues: list[str]) -> float:
        """Be told of what comes from now on; after how many seconds to look all the same."""
        store = self._transport.store
        self._unwatch()
        hint = store.listen(queues)
        if hint is not None:
            # A duplicate: the store may close its own at any time, and the number become somebody else's.
            self._hint = os.dup(hint)
            self._loop.add_reader(self._hint, self._on_hint)
        if self._transport.deliver_ready():
            self._transport.wakeup.set()
        change = store.next_change(queues)
        pause = _POLL_SECONDS if hint is None else _LOOK_AGAIN_SECONDS
        return pause if change is None else min(pause, change)

    def _on_hint(self) -> None:
        self._unwatch()  # it stays readable until the store has looked, and one hint is enough
        self._transport.wakeup.set()

    def _look_again_in(self, seconds: float) -> None:
        """Else the loop might sleep until its next timer, which may be far."""
        self._look_at = time.monotonic() + seconds
        # A cancelled timer lies in the loop until its time: one that is early enough is kept.
        if self._timer is None or self._timer_at > self._look_at:
            self._set_timer(self._look_at)
            # The loop has asked its timers before its ticks: it is to ask again before it sleeps.
            self._nudge.set()

    def _set_timer(self, moment: float) -> None:
        self._cancel_timer()
        self._timer_at = moment
        self._timer = self._loop.call_later(max(0.0, moment - time.monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if time.monotonic() < self._look_at:
            self._set_timer(self._look_at)  # else the tick that follows sets it again

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _unwatch(self) -> None:
        if self._hint is not None:
            self._forget(self._hint)
            self._hint = None

    def _forget(self, descriptor: int) -> None:
        self._remove(descriptor)
        with suppress(OSError):
            os.close(descriptor)

    def _remove(self, descriptor: int) -> None:
        """A loop that was reset knows it no more."""
        with suppress(KeyError, ValueError, OSError, AttributeError):
            self._loop.remove_reader(descriptor)


def _nothing() -> None: ...
