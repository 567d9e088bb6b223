"""A loop with a broker and a pool that only take notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.connection import BrokerConnection
from fleet.worker.consumer import Consumer
from fleet.worker.context import LoopContext
from fleet.worker.log import Log
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Direct
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings
from fleet.worker.state import Gate
from fleet.worker.stats import Stats


class Broker:
    """In place of a BrokerConnection."""

    connected, consuming, error, owes, changes = True, True, None, False, 0
    suspects = False
    refusal, mismatch, held = None, False, 0
    lost_by = ""  # the next call of that name finds the connection lost

    def __init__(self, deliveries: list[Delivery]) -> None:
        self.deliveries = deliveries
        self.acked: list[Delivery] = []
        self.given_back: list[tuple[Delivery, bool]] = []
        self.started_over = 0
        self.unflushed = 0
        self.after_stop: Callable[[], None] = lambda: None

    @property
    def acks_wait(self) -> bool:
        return self.unflushed > 0

    def _may_be_lost(self, name: str) -> None:
        if self.lost_by == name:
            self.lost_by, self.connected, self.changes = "", False, self.changes + 1

    def receive(self, _timeout: float) -> list[Delivery]:
        if not self.connected:
            self.connected, self.changes = True, self.changes + 1
        self._may_be_lost("receive")
        deliveries, self.deliveries = self.deliveries, []
        return deliveries

    def ack(self, delivery: Delivery) -> None:
        self.acked.append(delivery)
        self.unflushed += 1
        self._may_be_lost("ack")

    def retry(self, _delivery: Delivery, _delay_seconds: float, _retries: int) -> None:
        self._may_be_lost("retry")

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        self.given_back += [(each, counted) for each in deliveries]

    def consume(self, wanted: bool) -> None:
        self.consuming = wanted
        self._may_be_lost("consume")
        self.after_stop()

    def set_prefetch(self, _prefetch: int) -> None: ...

    def start_over(self, _prefetch: int) -> None:
        self.started_over += 1

    def set_aside(self, _most: int | None, **_rule: object) -> None: ...

    def take_suspect(self, _queue: str | None = None) -> Delivery | None:
        return None

    def look_for_suspects(self) -> bool:
        return self.suspects

    def is_void(self, _delivery: Delivery) -> bool:
        return not self.connected

    def skip(self, queues: frozenset[str]) -> None:
        self.skipped = queues

    def flush(self, *, worth: int = 0) -> None:
        self.unflushed = 0
        self._may_be_lost("flush")

    def close(self) -> None: ...


class Pool(Direct):
    """Starts the first delivery only; the test says when that ends."""

    def __init__(self) -> None:
        self.submitted: list[Delivery] = []
        self.after_submit: Callable[[], None] = lambda: None

    def submit(self, delivery: Delivery) -> None:
        self.submitted.append(delivery)
        self.after_submit()

    def recall(self) -> list[Delivery]:
        back, self.submitted[1:] = self.submitted[1:], []
        return back

    def configure(self, _spec: WorkerSpec) -> None: ...

    def close(self) -> None: ...


def make(acks: str, deliveries: list[Delivery], pool: str = "threads") -> tuple[Consumer, Broker]:
    spec = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), pool, 3, acks=acks)
    launch = WorkerLaunch("g/0", 0, "r1", spec, "", "")
    settings, gate, broker = Settings(launch), Gate(), Broker(deliveries)
    context = LoopContext(
        launch=launch,
        settings=settings,
        connection=cast("BrokerConnection", broker),
        prefetch=Prefetch(spec),
        reactor=Reactor(),
        gate=gate,
        stats=Stats("g/0", "r1", state=lambda: gate.state, settings=settings),
        log=Log("g/0", "error"),
        random=lambda: 0.0,
    )
    consumer = Consumer(context)
    consumer.pool_up({})
    return consumer, broker


class Inline(Pool):
    """As solo: `during` happens while the task runs."""

    def __init__(self, consumer: Consumer, during: Callable[[], None]) -> None:
        super().__init__()
        self._consumer, self._during = consumer, during

    def submit(self, delivery: Delivery) -> None:
        self.submitted.append(delivery)
        self._consumer.loop_lock.release()
        self._during()
        self._consumer.loop_lock.wait()
        self._consumer.done(delivery, Outcome("succeeded"))

    def recall(self) -> list[Delivery]:
        return []


def make_inline(during: Callable[[Consumer, Broker], None]) -> tuple[Consumer, Broker, Inline]:
    consumer, broker = make("late", [Delivery(tag, "q", b"") for tag in range(3)])
    pool = Inline(consumer, lambda: during(consumer, broker))
    consumer._pool = cast("Any", pool)
    return consumer, broker, pool
