"""The queues where delayed messages wait on RabbitMQ (decisions/0054).

A message waits in the queue of its delay, whose TTL hands it to its own queue. That must not lose it when its own
queue is full or gone: a quorum queue can hand over at least once, so these are, where the broker knows them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amqp.exceptions import ChannelError

from fleet.broker.delivery import Refused
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.queues import hands_over_at_least_once
from fleet.broker.topology import delay_queue, delay_step, due_queue
from fleet.clock import time

_TRY_AGAIN_SECONDS = 10.0


class DelayQueues:
    """Of one connection, for its publisher. Each is made when first needed, and stays."""

    def __init__(self, connection: AmqpConnection, apart: Collection[str]) -> None:
        """`apart`: queues that may refuse; what comes due for them is forwarded, see due.py."""
        self.apart = set(apart)
        self._connection = connection
        self._made: set[str] = set()
        self._failed: dict[str, tuple[float, str]] = {}  # until when not to try again, and why

    def exchange(self, seconds: float, target: str) -> str:
        """The exchange to publish to, with `target` as routing key. Raises Refused when it can't be made."""
        step = delay_step(seconds)
        is_safe = hands_over_at_least_once(self._connection)
        kind = "" if is_safe else "classic"
        if target not in self.apart:
            name = delay_queue(step, kind=kind)
            self._make(name, _arguments(step, is_safe=is_safe))
            return name
        due = due_queue(target)
        self._make(due, {"x-queue-type": "quorum"} if is_safe else {}, exchange=False)
        name = delay_queue(step, kind=kind, target=target)
        self._make(name, {**_arguments(step, is_safe=is_safe), "x-dead-letter-routing-key": due})
        return name

    def forget(self) -> None:
        """Somebody has deleted one, perhaps: look again before each is used."""
        self._made.clear()

    def _make(self, name: str, arguments: dict[str, Any], *, exchange: bool = True) -> None:
        if name in self._made:
            return
        until, reason = self._failed.get(name, (0.0, ""))
        if time.monotonic() < until:
            raise Refused(reason)
        with self._connection.guard():
            try:
                with self._connection.channel() as channel:
                    channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
                    if exchange:
                        channel.exchange_declare(name, "fanout", durable=True, auto_delete=True)
                        channel.queue_bind(name, name)
            except ChannelError as error:
                reason = (
                    f"{self._connection.masked_url}: the queue {name!r}, where delayed messages wait, "
                    f"can't be made: {error.reply_text}"
                )
                self._failed[name] = time.monotonic() + _TRY_AGAIN_SECONDS, reason
                raise Refused(reason) from error
        self._made.add(name)


def _arguments(milliseconds: int, *, is_safe: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {"x-message-ttl": milliseconds, "x-dead-letter-exchange": ""}
    if is_safe:
        # All three are needed: without them a quorum queue hands over at most once, too.
        arguments |= {
            "x-queue-type": "quorum",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments
