"""The brokers' numbers, asked for only while somebody wants them, and never waited for too long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleet.broker.open import broker_alarm, queue_stats
from fleet.broker.stats import QueueStats
from fleet.spec import BrokerSpec, RoutingSpec

FRESH_SECONDS = 1.5
ALARM_SECONDS = 5.0

T = TypeVar("T")


def in_own_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run `work` in a thread of its own: hanging in a broker's client it holds up nothing, not even exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    threading.Thread(target=run, daemon=True).start()
    return done


class QueueNumbers:
    """The latest numbers of each queue, and why there are none."""

    def __init__(
        self,
        ask: Callable[[RoutingSpec], list[QueueStats]] = queue_stats,
        ask_alarm: Callable[[BrokerSpec], str | None] = broker_alarm,
    ) -> None:
        self.error: str | None = None
        self.alarm: str | None = None  # why the broker takes no messages although it answers
        self._ask = ask
        self._ask_alarm = ask_alarm
        self._alarm_at = float("-inf")
        self._known: dict[str, QueueStats] = {}
        self._asked_at = float("-inf")
        self._asking: Awaitable[None] | None = None

    async def latest(self, routing: RoutingSpec, *, patience_seconds: float = 1.0) -> list[QueueStats]:
        """One for each declared queue. What the broker does not tell in time is of the last time, or None."""
        if self._asking is None and time.monotonic() - self._asked_at > FRESH_SECONDS:
            self._asking = asyncio.ensure_future(self._refresh(routing))
        if self._asking is not None:
            await asyncio.wait([asyncio.ensure_future(self._asking)], timeout=patience_seconds)
        return [self._known.get(queue.name, QueueStats(queue.name)) for queue in routing.queues]

    async def _refresh(self, routing: RoutingSpec) -> None:
        try:
            numbers = await in_own_thread(lambda: self._ask(routing))
            self._known, self.error = {each.name: each for each in numbers}, None
            if time.monotonic() - self._alarm_at > ALARM_SECONDS:
                self.alarm = await in_own_thread(lambda: self._ask_alarm(routing.broker))
                self._alarm_at = time.monotonic()
        except Exception as error:
            # Whatever a broker's client may raise: it is shown, and it is not the controller's problem.
            self._known, self.alarm, self.error = {}, None, str(error) or type(error).__name__
        finally:
            self._asked_at, self._asking = time.monotonic(), None
