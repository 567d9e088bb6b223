"""One AMQP connection: heartbeats, bounded waits, every error as BrokerUnavailable.

kombu opens it (URLs, failover, TLS); from there on this is py-amqp, whose frames kombu would only wrap. What
there is much of goes past py-amqp, too: published messages and deliveries (frames.py, inbound.py). It belongs
to one thread, `beat_now` excepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any

import amqp
import kombu
from amqp import spec
from amqp.exceptions import AMQPError, PreconditionFailed

from fleet.broker.delivery import BrokerUnavailable, HeldTooLong, MessageTooLarge, QueueMismatch
from fleet.broker.loop_lock import LoopLock
from fleet.broker.rabbitmq.address import arguments, parameters
from fleet.broker.rabbitmq.frames import METHOD
from fleet.broker.rabbitmq.inbound import Arrived, Assembly, Frame, first_frame, legible
from fleet.broker.urls import mask_url, refuse_bad_url
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.spec import BrokerSpec

# An answer, or a confirmation, that takes longer means a broker in trouble, even one that still sends
# heartbeats. One that is silent altogether has two heartbeats' time at most.
ANSWER_SECONDS = 30.0

_CONNECT_SECONDS = 5.0
_NO_HEARTBEAT_SECONDS = 30.0  # to look at the connection all the same
_HEARTBEAT_FRAME = 8
_BLOCKED, _UNBLOCKED = b"\0\x0a\0\x3c", b"\0\x0a\0\x3d"  # class 10, methods 60 and 61
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
        refuse_bad_url(broker.url)
        self.masked_url = mask_url(broker.url)
        self.blocked: str | None = None  # why the broker reads nothing from us now: "low on memory"
        self._guard = _Guard(self.masked_url)
        said = parameters(broker.url).heartbeat_seconds
        heartbeat = broker.heartbeat_seconds if said is None else said
        self.patience_seconds = min(ANSWER_SECONDS, 2 * heartbeat) if heartbeat else ANSWER_SECONDS
        options = {"client_properties": {"connection_name": name}, **broker.transport_options}
        url, given = arguments(broker.url, options, connect_seconds=_CONNECT_SECONDS)
        self._kombu = kombu.Connection(url, heartbeat=_asked_for(heartbeat) if beats else 0, **given)
        with self.guard():
            self._kombu.connect()
            self.amqp: amqp.Connection = self._kombu.connection
            # A broker that is frozen keeps the socket open: no read or write may wait for ever.
            self.amqp.sock.settimeout(self.patience_seconds)
            self.amqp.drain_events = self._drain_events
            self.look_every_seconds = (self.amqp.heartbeat or _NO_HEARTBEAT_SECONDS) / 3
            self._write = self.amqp.frame_writer
            self._turn = LoopLock()
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
        on_close = channel._callbacks[spec.Channel.Close]

        def closed(code: int, text: str, *method: int) -> Any:
            # Kept, for who waits for something else then must not be the only one to hear of it.
            self._guard.failure = f"{self.masked_url}: {text}"
            return on_close(code, text, *method)

        channel._callbacks[spec.Channel.Close] = closed

    def guard(self) -> AbstractContextManager[None]:
        """Whatever goes wrong with the broker inside becomes BrokerUnavailable."""
        return self._guard

    @property
    def failure(self) -> str:
        """What the guard has raised: nothing that was delivered before it can be settled any more.

        A channel that the broker has closed counts, too. py-amqp opens it again at once under its number, on
        which the tags of before mean other deliveries, or none.
        """
        return self._guard.failure

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
                    self._dispatch(legible(frame))
                    data, at = transport._read_buffer, 0
            transport._read_buffer = data[at:]
            return True

    def _on_frame(self, frame: Frame) -> bool:
        """In place of py-amqp's: whether this frame completed something, so that it may stop reading."""
        return self._assemble(frame) or bool(self._dispatch(legible(frame)))

    def _assemble(self, frame: Frame) -> bool:
        """Whether the frame is part of a delivery, which is then ours."""
        kind, channel, payload = frame
        if channel not in self._assemblies:
            if channel == 0:
                self._note_alarm(kind, payload)
            return False
        assembly, on_arrival = self._assemblies[channel]
        if not assembly.wants(kind, payload):
            return False
        self.amqp.bytes_recv += 1  # a sign of life, for its heartbeats
        if arrived := assembly.add(kind, payload):
            on_arrival(arrived)
        return True

    def _note_alarm(self, kind: int, payload: bytes) -> None:
        """py-amqp says that it blocks, but not why."""
        if kind == METHOD and payload.startswith(_BLOCKED):
            self.blocked = payload[5 : 5 + payload[4]].decode(errors="replace") or "in trouble"
        elif kind == METHOD and payload.startswith(_UNBLOCKED):
            self.blocked = None

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
        """Send a heartbeat if one is due; notice a broker that has fallen silent. Every `look_every_seconds`."""
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
            was_connected = bool(self.amqp.connected)
            try:
                channel.close()
            except (AMQPError, OSError, AttributeError):
                # Nobody else would hear that the connection has ended: what it has delivered is void.
                if was_connected and not self.amqp.connected:
                    raise

    def close(self) -> None:
        """Politely but not for long; never raises."""
        if not hasattr(self, "amqp"):
            return
        with suppress(Exception):
            if self.blocked is None:  # else nobody would answer
                self.amqp.sock.settimeout(1.0)
                self.amqp.close()
        with suppress(Exception):
            self.amqp.collect()


def _asked_for(heartbeat_seconds: float) -> int:
    """What to ask RabbitMQ for, so that both ends notice a cut link within two of `heartbeat_seconds`.

    RabbitMQ looks once a heartbeat whether anything has come, and gives up at the second look in vain: after two to
    three of them (rabbit_heartbeat.erl). It counts in whole seconds, and takes 0 for none.
    """
    return max(1, int(heartbeat_seconds * 2 / 3)) if heartbeat_seconds else 0


class _Guard:
    """No generator: it is entered for every read and write."""

    def __init__(self, masked_url: str) -> None:
        self._masked_url = masked_url
        self.failure = ""

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # AttributeError: py-amqp, when already torn down
        if isinstance(error, BrokerUnavailable) or not isinstance(
            error, (AMQPError, OSError, AttributeError)
        ):
            return
        if isinstance(error, PreconditionFailed) and (large := too_large(self._masked_url, _reason(error))):
            raise large from error
        if mismatch := _mismatch(error):
            raise QueueMismatch(f"{self._masked_url}: {mismatch}") from error
        if remedy := _held_too_long(error):
            self.failure = f"{self._masked_url}: {remedy}"
            raise HeldTooLong(self.failure) from error
        self.failure = f"{self._masked_url}: {_reason(error)}"
        raise BrokerUnavailable(self.failure) from error


_TOO_LARGE = re.compile(r"message size (\d+) is larger than (?:configured )?max size (\d+)")


def too_large(masked_url: str, reason: str) -> MessageTooLarge | None:
    """What RabbitMQ means when it closes a channel for that reason, if it is the size of a message."""
    if not (limit := _TOO_LARGE.search(reason)):
        return None
    size, most = limit.groups()
    return MessageTooLarge(
        f"{masked_url}: a body of {size} bytes, the broker allows {most} (RabbitMQ's max_message_size)"
    )


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


def _held_too_long(error: BaseException) -> str:
    """What to do, if that is what the error is about; else "".

    RabbitMQ says: delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms. …
    """
    if not isinstance(error, PreconditionFailed) or "acknowledgement" not in _reason(error):
        return ""
    found = re.search(r"Timeout value used: (\d+) ms", _reason(error))
    limit = f" ({int(found[1]) / 1000:g} s)" if found else ""
    return (
        f"a delivery has timed out at RabbitMQ's consumer_timeout{limit}: its task takes longer. The task goes on; its "
        f"message may run again elsewhere meanwhile. Give the queue an x-consumer-timeout (RabbitMQ 3.12), or the "
        f"broker a consumer_timeout, above the longest task, or the group a time_limit below it"
    )


def _reason(error: BaseException) -> str:
    text = getattr(error, "reply_text", None) or str(error) or type(error).__name__
    return text if isinstance(text, str) else type(error).__name__
