"""One pool process as its worker sees it: what was sent to it, what comes back, and how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from operator import attrgetter
from typing import Any, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.worker.outcome import Outcome, Policy
from fleet.worker.pools import child
from fleet.worker.pools.frames import APART_BYTES, Outbox, Unpacker, pack
from fleet.worker.pools.permits import BEGUN, SERIALS, PermitTable
from fleet.worker.recycling import Share

_LAST_BREATH_SECONDS = 1.0
_UNREPORTED = 255  # multiprocessing's exit code when nobody has seen the real one


class Sent(NamedTuple):
    """A delivery in the window of a process."""

    delivery: Delivery
    at: float  # monotonic: it can't have begun before
    hard_limit: float | None  # seconds
    expected_seconds: float


class PoolProcess:
    """Started by the constructor, which waits for the fork server: EOFError when that one ended instead."""

    def __init__(
        self, context: ForkServerContext, *, luck: float, fields: tuple[str, ...] = child.SENT_FIELDS
    ) -> None:
        """`fields` of a delivery are sent."""
        self._values = attrgetter(*fields)
        self.sock, theirs = socket.socketpair()
        self._permits = PermitTable()
        self._process = context.Process(
            target=child.main, args=(theirs, self._permits.theirs), name="fleet-pool-process"
        )
        try:
            self._process.start()
        except BaseException:
            self.sock.close()
            self._permits.close()
            raise
        finally:
            theirs.close()
        self.sock.setblocking(False)
        self.pid: int = self._process.pid or 0
        self.is_up = False
        self.verdict: Outcome | None = None  # on what it runs, when we killed it for that
        self.share = Share(time.monotonic(), luck)
        self.sent = 0  # deliveries that it has begun, or may
        self.outgoing = False  # another one takes its place: it works on until that one is up
        self.dismissed = False  # nothing more is sent to it; it ends after what it has
        self.missed = 0  # time limits in which it had not begun what it might have, though it was idle
        self.stuck = False  # with something that takes longer than expected
        self.booked_seconds = 0.0  # what its window should take
        self._window: dict[int, Sent] = {}  # by serial, in the order in which they begin
        self._next_serial = 0
        self._ended_at = 0.0  # when it ended something last
        self._arrived_at = 0.0  # when it got the last bytes of a large delivery that may begin
        self._unsent: list[int] = []  # serials
        self._under_way: deque[tuple[int, int]] = (
            deque()
        )  # not all sent: serials, and where in the stream they end
        self._early: int | None = None  # of these the one that may begin before all of it is there
        self._outbox = Outbox()
        self._inbox = Unpacker()
        self.unsendable: list[
            tuple[Delivery, Exception]
        ] = []  # what could not be written, for whoever takes it

    @property
    def sentinel(self) -> int:
        """A file descriptor that is readable once the process has ended."""
        return self._process.sentinel

    # What it has to do

    @property
    def count(self) -> int:
        """How many deliveries it has."""
        return len(self._window)

    @property
    def takes_more(self) -> bool:
        """Whether something may be sent behind what it runs."""
        return self.is_up and not self.dismissed and not self.stuck

    @property
    def current(self) -> Sent | None:
        """What it runs, or is about to."""
        return next(iter(self._window.values()), None)

    @property
    def current_since(self) -> float:
        """The moment (monotonic) before which that can't have begun; inf when there is none."""
        current = self.current
        return float("inf") if current is None else max(current.at, self._ended_at, self._arrived_at)

    @property
    def has_begun(self) -> bool:
        """Whether it is at what it runs, not only about to."""
        serial = next(iter(self._window), None)
        return serial is not None and serial not in (*self._unsent, *self._permits.unread())

    def submitted(self) -> list[Delivery]:
        """All that it has."""
        return [sent.delivery for sent in self._window.values()]

    def begun(self) -> list[Delivery]:
        """What it has begun, and may have ended without telling."""
        waits = {*self._unsent, *self._permits.unread(), *(each for each, _ in self._under_way)}
        return [sent.delivery for serial, sent in self._window.items() if serial not in waits]

    def rest(self) -> list[Sent]:
        """What waits behind it."""
        return list(self._window.values())[1:]

    def add(self, sent: Sent) -> None:
        """For the next `flush`."""
        serial = self._next_serial
        self._next_serial = (serial + 1) % SERIALS
        self._window[serial] = sent
        self._unsent.append(serial)
        self.sent += 1
        self.booked_seconds += sent.expected_seconds

    def take_back(self) -> list[Delivery]:
        """What it has not begun, and now never will."""
        unread = self._permits.take_back()
        begun = None if self._early in unread else self._early
        serials = [*unread, *(each for each, _ in self._under_way if each != self._early), *self._unsent]
        # What is half sent is sent on, for the sake of what follows it; nobody begins it.
        self._under_way = deque(each for each in self._under_way if each[0] == begun)
        self._early = begun
        self._unsent.clear()
        self.sent -= len(serials)
        return [self._pop(serial).delivery for serial in serials]

    def ended(self, serial: int, at: float) -> Delivery:
        """The process has said that a delivery has ended."""
        self._ended_at = at
        self.stuck, self.missed = False, 0
        delivery = self._pop(serial).delivery
        if self._under_way:
            self._permit_next()
        return delivery

    def take(self) -> list[Delivery]:
        """What it had begun, now that it is dead."""
        begun = [sent.delivery for sent in self._window.values()]
        self._window.clear()
        return begun

    def _pop(self, serial: int) -> Sent:
        sent = self._window.pop(serial)
        self.booked_seconds = self.booked_seconds - sent.expected_seconds if self._window else 0.0
        return sent

    # Talking

    def send_policy(self, policy: Policy) -> bool:
        """The group's, which has changed. Whether all of it has gone out."""
        self._outbox.put(pack(policy._asdict()))
        return self.flush()

    def end(self) -> None:
        """Let a process exit that has nothing to do any more."""
        with contextlib.suppress(OSError):
            self._permits.end()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent or self._outbox)

    def flush(self) -> bool:
        """Send on as much as goes without waiting; whether nothing is left."""
        self._write_unsent()
        before = self._outbox.gone_bytes
        self._outbox.send(self.sock)
        if self._early is not None and self._outbox.gone_bytes > before:
            self._arrived_at = time.monotonic()
        # Last: what it may begin it has, so that being killed is never for what did not arrive.
        arrived = []
        while self._under_way and self._under_way[0][1] <= self._outbox.gone_bytes:
            arrived.append(self._under_way.popleft()[0])
        self._permits.permit([each for each in arrived if each != self._early])
        if self._early in arrived:
            self._early = None
        self._permit_next()
        return not self.has_unsent

    def _permit_next(self) -> None:
        """Let it begin what is larger than the socket between us, if it has nothing else to do.

        It reads only what it may begin. Without this it would wait for the permit, and we for it to read.
        """
        if (
            self._early is None
            and self._under_way
            and self._under_way[0][0] == next(iter(self._window), None)
        ):
            self._early = self._under_way[0][0]
            self._permits.permit([self._early])

    def _write_unsent(self) -> None:
        """Small ones together, large ones with their bodies beside the frame."""
        batch: list[int] = []
        for serial in self._unsent:
            if len(self._window[serial].delivery.body) < APART_BYTES:
                batch.append(serial)
                continue
            self._write(batch)
            self._write([serial])
            batch = []
        self._write(batch)
        self._unsent.clear()

    def _write(self, serials: list[int]) -> None:
        if not serials:
            return
        deliveries = [self._window[each].delivery for each in serials]
        try:
            frame = pack(
                [child.to_send(*each, self._values) for each in zip(serials, deliveries, strict=True)]
            )
        except Exception as error:  # headers that nest too deep, or that nobody foresaw
            if len(serials) == 1:
                self._pop(serials[0])
                self.sent -= 1
                self.unsendable.append((deliveries[0], error))
            else:
                for serial in serials:
                    self._write([serial])
            return
        self._outbox.put(frame)
        for each in deliveries:
            if len(each.body) >= APART_BYTES:
                self._outbox.put(each.body)
        self._under_way.extend((serial, self._outbox.put_bytes) for serial in serials)

    def receive(self) -> list[Any]:
        """The messages that have arrived. ConnectionError at the end of the stream."""
        messages: list[Any] = []
        while True:
            try:
                data = self.sock.recv(256 * 1024)
            except BlockingIOError:
                return messages
            if not data:
                if messages:
                    return messages
                raise ConnectionResetError("the process closed its end")
            messages.extend(self._inbox.feed(data))

    def entries(self) -> Iterator[tuple[Delivery, Outcome | None]]:
        """What it has entered into its permits since the last time; without an outcome: it has begun."""
        for serial, at, wall_seconds, cpu_seconds in self._permits.entries():
            if wall_seconds == BEGUN:
                if (sent := self._window.get(serial)) is not None:
                    yield sent.delivery, None
                continue
            yield (
                self.ended(serial, at),
                Outcome("succeeded", wall_seconds=wall_seconds, cpu_seconds=cpu_seconds),
            )

    # Its end

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def ends_before(self, deadline: float) -> bool:
        """Wait for its end, at most until `deadline` (monotonic)."""
        self._process.join(max(0.0, deadline - time.monotonic()))
        return self._process.exitcode is not None

    def make_sure(self) -> None:
        """When the fork server was killed all its processes seem to have ended; the kernel is still at it."""
        if self._process.exitcode == _UNREPORTED and not self._has_hung_up(0.0):
            self.kill()
            self._has_hung_up(_LAST_BREATH_SECONDS)

    def _has_hung_up(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.sock, 0)  # only hang-ups, which are always told
        return bool(poll.poll(seconds * 1000))

    def leave(self) -> int:
        """Wait for its end and forget it. Returns its exit code, -N when signal N ended it."""
        self.sock.close()
        self._permits.close()
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        return _UNREPORTED if code is None else code

    def outcome_of_death(self, code: int) -> Outcome:
        """Of what it had begun."""
        if self.verdict is not None:
            return self.verdict
        signum = -code if code < 0 else None
        return Outcome("lost", f"the process that ran it {describe_exit(code)}", exit_signal=signum)


def describe_exit(code: int) -> str:
    """`was killed by SIGSEGV`, `ended with exit code 3`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
