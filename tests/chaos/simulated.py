"""A made-up run: two workers, one queue, faults and, on purpose, bugs. Journal and wire as a real one leaves them."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.strikes import Strike
from tests.chaos.wire import Connection, Delivery, Publication, Wire

_STEP = 0.005
_PREFETCH = 4


@dataclass
class _Worker:
    pid: int
    connection: Connection
    held: deque[Delivery] = field(default_factory=deque)
    running: Delivery | None = None
    name: str = ""
    until: float = 0.0


@dataclass
class Simulation:
    """`bug` hits a `share` of all messages; `faults` are the kinds "cut" and "worker", spread over the run."""

    seed: int
    messages: int
    faults: tuple[str, ...]
    bug: str = ""
    share: float = 0.0
    cuts_undo: bool = True  # as on RabbitMQ; leases outlive a connection
    wire: Wire = field(default_factory=Wire)
    strikes: list[Strike] = field(default_factory=list)
    hit: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._now = 10.0
        self._lines: list[str] = []
        self._executions = 0
        self._queue: deque[int] = deque()
        self._next_pid = 100
        self._workers = [self._worker(), self._worker()]

    def run(self, journal: Path) -> None:
        publisher = Connection("fleet producer, pid 99")
        for number in range(self.messages):
            self.wire.publications[number].append(Publication(number, publisher, self._now, "ack"))
            self._lines.append(f"p {number} 1 {self._now} {self._now + 0.001}")
            self._now += 0.001
            self._queue.append(number)
        every = self.messages // (len(self.faults) + 1)
        due = deque((every * (place + 1), kind) for place, kind in enumerate(self.faults))
        while self._queue or any(worker.running or worker.held for worker in self._workers):
            self._now += _STEP
            if due and self._executions >= due[0][0]:
                self._strike(due.popleft()[1])
            for worker in self._workers:
                self._work(worker)
        journal.write_text("".join(f"{line}\n" for line in self._lines))

    def _worker(self) -> _Worker:
        self._next_pid += 1
        return _Worker(self._next_pid, self._connection(self._next_pid))

    def _connection(self, pid: int) -> Connection:
        return Connection(f"w/0@host:{pid}/token")

    def _work(self, worker: _Worker) -> None:
        if worker.running and self._now >= worker.until:
            self._end(worker, worker.running)
        while self._queue and len(worker.held) < _PREFETCH:
            number = self._queue.popleft()
            delivery = Delivery(number, worker.connection, self._now)
            self.wire.deliveries[number].append(delivery)
            if self.bug == "loss" and self._is_hit(number):
                delivery.settled, delivery.how = self._now, "ack"
            else:
                worker.held.append(delivery)
        if worker.held and not worker.running:
            worker.running = worker.held.popleft()
            worker.until = self._now + self._chance.uniform(0.005, 0.05)
            worker.name = f"{worker.pid}.{self._executions}"
            self._executions += 1
            self._lines.append(f"s {worker.running.number} {worker.name} {self._now + 0.001}")

    def _end(self, worker: _Worker, delivery: Delivery) -> None:
        worker.running = None
        self._lines.append(f"e {delivery.number} {worker.name} {self._now}")
        if delivery.connection.ended is not None and self.cuts_undo:
            return  # nobody hears of it
        bug = self.bug if self.bug in ("requeue", "double") and self._is_hit(delivery.number) else ""
        if bug == "double":
            publications = self.wire.publications[delivery.number]
            publications.append(Publication(delivery.number, worker.connection, self._now, "ack"))
        if bug:
            self._queue.append(delivery.number)
        delivery.settled, delivery.how = self._now + 0.001, "requeue" if bug == "requeue" else "ack"

    def _is_hit(self, number: int) -> bool:
        if number in self.hit or self._chance.random() >= self.share:
            return False
        self.hit.add(number)
        return True

    def _strike(self, kind: str) -> None:
        if kind == "worker":
            victim = self._workers.pop(0)
            self._break(victim, "client")
            self._workers.append(self._worker())
            self.strikes.append(Strike(kind, self._now, self._now + 0.01, frozenset({victim.pid})))
            return
        self.strikes.append(Strike(kind, self._now, self._now + 0.01))
        if self.cuts_undo:
            for worker in self._workers:
                running = worker.running
                self._break(worker, kind)
                worker.running = running  # goes on, for nobody
                worker.connection = self._connection(worker.pid)

    def _break(self, worker: _Worker, by: str) -> None:
        worker.connection.ended, worker.connection.by = self._now, by
        lost = [worker.running, *worker.held] if worker.running else list(worker.held)
        self._queue.extendleft(each.number for each in reversed(lost))
        worker.held.clear()
        worker.running = None
