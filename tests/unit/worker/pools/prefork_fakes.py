"""A pool process and a host without processes, for what decides about them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.outcome import Outcome
from fleet.worker.pools.process import Sent


class FakeProcess:
    """As PoolProcess, as far as the assigner and the deadlines look at it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.is_up = True
        self.dismissed = self.stuck = False
        self.verdict: Outcome | None = None
        self.window: list[Sent] = []
        self.sent = self.missed = 0
        self.current_since = 0.0
        self.unsendable: list[tuple[Delivery, Exception]] = []
        self.flushes = True
        self.flushed = 0

    @property
    def count(self) -> int:
        return len(self.window)

    @property
    def takes_more(self) -> bool:
        return self.is_up and not self.dismissed and not self.stuck

    @property
    def booked_seconds(self) -> float:
        return sum(each.expected_seconds for each in self.window)

    @property
    def current(self) -> Sent | None:
        return self.window[0] if self.window else None

    def rest(self) -> list[Sent]:
        return self.window[1:]

    def add(self, sent: Sent) -> None:
        self.window.append(sent)
        self.sent += 1

    def flush(self) -> bool:
        self.flushed += 1
        return self.flushes


class FakeReactor:
    def __init__(self) -> None:
        self.calls: list[tuple[float, Any]] = []

    def call_at(self, moment: float, call: Any) -> None:
        self.calls.append((moment, call))

    def run_next(self) -> None:
        self.calls.pop(0)[1]()


def host(acks: str = "late") -> Any:
    spec = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), "prefork", 2, acks=acks)
    done: list[tuple[Delivery, Outcome]] = []
    return SimpleNamespace(
        launch=SimpleNamespace(spec=spec),
        reactor=FakeReactor(),
        ended=done,
        done=lambda delivery, outcome: done.append((delivery, outcome)),
    )


def delivery(number: int, task: str = "shop.short", size: int = 10) -> Delivery:
    return Delivery(number, "q", b"x" * size, {"task": task, "id": str(number)})
