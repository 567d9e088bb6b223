"""The other real thread: what has to be said to the broker while the loop can't say it.

It renews leases and heartbeats, and stands in for a loop that a solo task blocks. A broker that hangs may hang
it for as long as it hangs anybody; that is why it is not the watchdog, whose reports and deadlines don't wait for
brokers. Built on `unpatched` only, like that one.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.clock import time
from fleet.worker import unpatched
from fleet.worker.crash import fatal

_STAND_IN_SECONDS = 1.0


class Keepalive:
    """`wake` is for any thread, `attend` for the loop's. It ends with the process."""

    def __init__(
        self,
        renew: Callable[[], None],
        renew_every_seconds: float,
        stand_in: Callable[[float], float | None] | None = None,
    ) -> None:
        """Both functions must be safe to call from another thread. `stand_in` is called every second, when woken, and
        as soon as it has asked for.
        """
        self._renew = renew
        self._renew_every = renew_every_seconds
        self._stand_in = stand_in
        self._renew_at = 0.0
        self._attends = False  # will call `stand_in` within moments
        self._asleep = unpatched.allocate_lock()

    def start(self) -> None:
        self._asleep.acquire()
        unpatched.start_thread(self._work, ())

    def wake(self) -> None:
        """There is something for `stand_in`."""
        if self._asleep.locked():
            self._asleep.release()

    def attend(self) -> None:
        """There may be something for `stand_in` in a moment. Next to nothing where that is known."""
        if not self._attends:
            self._attends = True
            self.wake()

    def _work(self) -> None:
        with fatal():
            while True:
                self._turn()

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew()
            self._renew_at = now + self._renew_every
        again = float("inf") if self._stand_in is None else self._call_stand_in(self._stand_in, now)
        self._asleep.acquire(timeout=max(0.0, min(again, self._renew_at - time.monotonic())))

    def _call_stand_in(self, stand_in: Callable[[float], float | None], now: float) -> float:
        # First this, then it looks: of what comes in between, `attend` sees that it has to wake us.
        self._attends = False
        again = stand_in(now)
        if again is None:
            return _STAND_IN_SECONDS
        self._attends = True
        return again
