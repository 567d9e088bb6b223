"""One AMQP connection: heartbeats, bounded waits, every error as BrokerUnavailable.

kombu opens it (URLs, failover, TLS); from there on this is py-amqp, whose frames kombu would only wrap. What
there is much of goes past py-amqp, too: published messages and deliveries (frames.py, inbound.py). It belongs
to one thread, `beat_now` excepted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any

import amqp
import kombu
from amqp.exceptions import AMQPError, PreconditionFailed

from fleet.broker.delivery import BrokerUnavailable, QueueMismatch
from fleet.broker.rabbit.inbound import Arrived, Assembly, Frame, first_frame
from fleet.broker.turn import Turn
from fleet.broker.urls import mask_url
from fleet.broker.waiting import wait_readable
from fleet.spec import BrokerSpec

# An answer, or a confirmation, that takes longer means a broker in trouble, even one that still sends
# heartbeats. One that is silent altogether has two heartbeats' time at most.
ANSWER_SECONDS = 30.0

_CONNECT_SECONDS = 5.0
_HEARTBEAT_FRAME = 8
# The rest of a TLS record may still be on its way; the loop can't do anything meanwhile.
_MORE_SECONDS = 0.01
_READ_BYTES = 1 << 18


class AmqpConnection:
    """Opened by the constructor; after BrokerUnavailable it is of no more use than to be closed."""

    def __init__(self, broker: BrokerSpec, *, name: str, beats: bool = True) -> None:
        """`name` is what the broker's management shows. Raises BrokerUnavailable.

        `beats`: somebody calls `beat` or `beat_now` in time. Else the broker expects none and sends none,
        but who waits for an answer is no more patient for that.
        """
        self.masked_url = mask_url(broker.url)
        self._guard = _Guard(self.masked_url)
        heartbeat = broker.heartbeat_seconds
        self.patience_seconds = min(ANSWER_SECONDS, 2 * heartbeat) if heartbeat else ANSWER_SECONDS
        options = dict(broker.transport_options)
        options.setdefault("client_properties", {"connection_name": name})
        self._kombu = kombu.Connection(
            broker.url,
            heartbeat=max(1, round(heartbeat)) if heartbeat and beats else 0,
            connect_timeout=_CONNECT_SECONDS,
            transport_options=options,
        )
        with self.guard():
            self._kombu.connect()
            self.amqp: amqp.Connection = self._kombu.connection
            # A broker that is frozen keeps the socket open: no read or write may wait for ever.
            self.amqp.sock.settimeout(self.patience_seconds)
            self.amqp.drain_events = self._drain_events
            self._write = self.amqp.frame_writer
            self._turn = Turn()
            self.amqp.frame_writer = self._write_in_turn
            self._dispatch = self.amqp.on_inbound_frame
            self.amqp.on_inbound_frame = self._on_frame
            self._assemblies: dict[int, tuple[Assembly, Callable[[Arrived], None]]] = {}  # by channel

    def _drain_events(self, timeout: float | None = None) -> None:
        """In place of py-amqp's: its waits for an answer (no timeout) never end while heartbeats come.

        They do where a memory or disk alarm keeps the broker from reading what we ask.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.amqp.blocking_read(timeout):
            if timeout is None and time.monotonic() >= deadline:
                raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} s")

    def _write_in_turn(self, *frame: Any) -> None:
        self._turn.wait()
        try:
            self._write(*frame)
        finally:
            self._turn.release()

    def write(self, frames: bytes) -> None:
        """Whole frames, as they are."""
        self._turn.wait()
        try:
            self.amqp.transport.write(frames)
        finally:
            self._turn.release()

    def deliver(self, channel: amqp.Channel, on_arrival: Callable[[Arrived], None]) -> None:
        """What comes for the consumers of this channel from now on; their own callbacks get none of it."""
        self._assemblies[channel.channel_id] = Assembly(), on_arrival

    def guard(self) -> AbstractContextManager[None]:
        """Whatever goes wrong with the broker inside becomes BrokerUnavailable."""
        return self._guard

    def read(self, timeout: float) -> bool:
        """Dispatch all that has arrived, waiting up to `timeout` for it to begin; whether it did."""
        with self.guard():
            if not self._has_bytes(timeout):
                return False
            # py-amqp keeps here what it has of a frame. It must find it there when it reads for itself, which
            # it may do while it dispatches: for the answer to something.
            transport, at = self.amqp.transport, 0
            data = transport._read_buffer + self._receive()
            while found := first_frame(data, at):
                frame, at = found
                if not self._assemble(frame):
                    transport._read_buffer = data[at:]
                    self._dispatch(frame)
                    data, at = transport._read_buffer, 0
            transport._read_buffer = data[at:]
            return True

    def _on_frame(self, frame: Frame) -> bool:
        """In place of py-amqp's: whether this frame completed something, so that it may stop reading."""
        return self._assemble(frame) or bool(self._dispatch(frame))

    def _assemble(self, frame: Frame) -> bool:
        """Whether the frame is part of a delivery, which is then ours."""
        kind, channel, payload = frame
        if channel not in self._assemblies:
            return False
        assembly, on_arrival = self._assemblies[channel]
        if not assembly.wants(kind, payload):
            return False
        self.amqp.bytes_recv += 1  # a sign of life, for its heartbeats
        if arrived := assembly.add(kind, payload):
            on_arrival(arrived)
        return True

    def _receive(self) -> bytes:
        sock = self.amqp.sock
        is_tls = hasattr(sock, "pending")
        if is_tls:
            sock.settimeout(_MORE_SECONDS)
        try:
            data: bytes = sock.recv(_READ_BYTES)
        except TimeoutError:
            return b""
        finally:
            if is_tls:
                sock.settimeout(self.patience_seconds)
        if not data:
            raise OSError("Server unexpectedly closed connection")
        return data

    def _has_bytes(self, timeout: float) -> bool:
        sock = self.amqp.sock
        pending = getattr(sock, "pending", None)  # TLS has already decrypted more than was asked for
        return bool(pending and pending()) or bool(wait_readable([sock.fileno()], timeout))

    def beat(self) -> None:
        """Send a heartbeat if one is due; notice a broker that has fallen silent."""
        with self.guard():
            self.amqp.heartbeat_tick()

    def beat_now(self) -> None:
        """From any thread. While another frame is being written that one shows that we live."""
        if not self._turn.claim():
            return
        try:
            with self.guard():
                self._write(_HEARTBEAT_FRAME, 0, None, None, None)
        finally:
            self._turn.release()

    @contextmanager
    def channel(self) -> Iterator[amqp.Channel]:
        """A channel of its own: an error closes it, and the consumers live on another."""
        channel = self.amqp.channel()
        try:
            yield channel
        finally:
            with suppress(AMQPError, OSError, AttributeError):
                channel.close()

    def close(self) -> None:
        """Politely but not for long; never raises."""
        if not hasattr(self, "amqp"):
            return
        with suppress(Exception):
            self.amqp.sock.settimeout(1.0)
            self.amqp.close()
        with suppress(Exception):
            self.amqp.collect()


class _Guard:
    """No generator: it is entered for every read and write."""

    def __init__(self, masked_url: str) -> None:
        self._masked_url = masked_url

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # AttributeError: py-amqp, when already torn down
        if isinstance(error, BrokerUnavailable) or not isinstance(
            error, (AMQPError, OSError, AttributeError)
        ):
            return
        if mismatch := _mismatch(error):
            raise QueueMismatch(f"{self._masked_url}: {mismatch}") from error
        raise BrokerUnavailable(f"{self._masked_url}: {_reason(error)}") from error


def _mismatch(error: BaseException) -> str:
    """What differs, if that is what the error is about; else "".

    RabbitMQ says: inequivalent arg 'x' for queue 'q' in vhost '/': received none but current is …
    """
    if not isinstance(error, PreconditionFailed):
        return ""
    text = _reason(error)
    found = re.search(
        r"inequivalent arg '(.+?)' for (queue|exchange) '(.*?)'.*?: (received .*)", text, re.DOTALL
    )
    if not found:
        return ""  # other preconditions: a delivery held longer than the broker's consumer_timeout
    argument, kind, name, difference = found.groups()
    return (
        f"{kind} {name!r} exists with another {argument}: {difference} "
        f"(received = fleet.toml, current = the broker). "
        f"Make fleet.toml agree, or delete the {kind} on the broker once it is empty"
    )


def _reason(error: BaseException) -> str:
    text = getattr(error, "reply_text", None) or str(error) or type(error).__name__
    return text if isinstance(text, str) else type(error).__name__
