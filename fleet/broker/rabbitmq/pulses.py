"""The pulses of hosts on RabbitMQ: a fanout exchange of each fleet, and a queue for as long as somebody listens."""

from __future__ import annotations

import os
from typing import Any

import amqp

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.pulses import KEPT_SECONDS, LONGEST_BYTES, MOST_HOSTS
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.clock import time
from fleet.spec import BrokerSpec

_TTL_MILLISECONDS = 15_000
_MOST_WAITING, _MOST_WAITING_BYTES = 5_000, 64 << 20


class RabbitPulses:
    """See Pulses. What was heard is kept here, by our own clock; nobody else's counts."""

    remembers = False

    def __init__(self, broker: BrokerSpec, fleet: str) -> None:
        self._broker = broker
        self._exchange = f"fleet.{fleet}.pulse"
        self._opened: tuple[AmqpConnection, Any, str] | None = None  # with its channel and queue
        self._known: dict[str, tuple[str, float]] = {}  # text, monotonic

    def publish(self, host: str, text: str) -> None:
        connection, channel, _ = self._open()
        message = amqp.Message(text, message_id=host, expiration=str(_TTL_MILLISECONDS))
        self._safely(connection, lambda: channel.basic_publish(message, exchange=self._exchange))

    def heard(self) -> dict[str, tuple[str, float]]:
        connection, channel, queue = self._open()
        while (
            message := self._safely(connection, lambda: channel.basic_get(queue, no_ack=True))
        ) is not None:
            self._note(str(message.properties.get("message_id", "")), message.body)
        now = time.monotonic()
        self._known = {
            host: (text, at) for host, (text, at) in self._known.items() if now - at <= KEPT_SECONDS
        }
        return {host: (text, now - at) for host, (text, at) in self._known.items()}

    def _note(self, host: str, body: str | bytes) -> None:
        if len(body) > LONGEST_BYTES:
            return
        text = body if isinstance(body, str) else body.decode(errors="replace")
        self._known.pop(host, None)
        if text:
            self._known[host] = (text, time.monotonic())
            if len(self._known) > MOST_HOSTS:
                del self._known[next(iter(self._known))]  # heard the longest ago

    def _open(self) -> tuple[AmqpConnection, Any, str]:
        if self._opened is None:
            # Every wait for an answer is bounded, so nobody has to beat between two pulses.
            connection = AmqpConnection(self._broker, name=f"fleet pulse, pid {os.getpid()}", beats=False)
            self._opened = (connection, *self._safely(connection, lambda: self._listen(connection)))
        return self._opened

    def _listen(self, connection: AmqpConnection) -> tuple[Any, str]:
        channel = connection.amqp.channel()
        channel.exchange_declare(self._exchange, "fanout", durable=True, auto_delete=True)
        arguments = {
            "x-message-ttl": _TTL_MILLISECONDS,
            "x-max-length": _MOST_WAITING,
            "x-max-length-bytes": _MOST_WAITING_BYTES,
        }
        queue = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments).queue
        channel.queue_bind(queue, self._exchange)
        return channel, queue

    def _safely(self, connection: AmqpConnection, work: Any) -> Any:
        try:
            with connection.guard():
                return work()
        except BrokerUnavailable:
            self._opened = None
            connection.close()
            raise

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()
