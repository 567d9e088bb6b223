"""A pool whose tasks last virtual seconds and end as chance says."""

from __future__ import annotations

from collections import deque
from functools import partial

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerSpec
from fleet.worker.consumer import Consumer
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Direct
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.judge import Judge

DURATIONS = (0.02, 0.0, 0.001, 0.3, 4.0, 40.0)
ENDINGS = ("retry", "failed", "lost", "slow")
_SENT_AHEAD = 2


class Pool(Direct):
    """See fleet.worker.pools.Pool. Inline where the spec says solo, sends ahead where it says prefork."""

    def __init__(self, spec: WorkerSpec, consumer: Consumer, clock: Clock, choices: Choices, judge: Judge):
        self._spec = spec
        self._consumer = consumer
        self._clock = clock
        self._choices = choices
        self._judge = judge
        self._waiting: deque[Delivery] = deque()
        self._running: set[Delivery] = set()
        self._closed = False

    @property
    def ahead(self) -> int:  # type: ignore[override]
        return len(self._waiting)

    def takes_ahead(self, _delivery: Delivery) -> bool:
        return self._spec.pool == "prefork" and len(self._waiting) < _SENT_AHEAD

    def submit(self, delivery: Delivery) -> None:
        if self._spec.pool == "solo":
            self._run_inline(delivery)
        elif len(self._running) < self._spec.slots:
            self._start(delivery)
        else:
            self._waiting.append(delivery)

    def recall(self) -> list[Delivery]:
        back = list(self._waiting)
        self._waiting.clear()
        return back

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec

    def close(self) -> None:
        self._closed = True

    def _start(self, delivery: Delivery) -> None:
        self._running.add(delivery)
        outcome, seconds = self._run(delivery)
        self._clock.after(seconds, partial(self._end, delivery, outcome))

    def _run(self, delivery: Delivery) -> tuple[Outcome, float]:
        """How it will end, and after how long."""
        message = str(delivery.headers.get("id"))
        self._judge.started(message)
        if delivery.body != body_of(message):
            self._judge.breach(f"changed: the body of {message} is {delivery.body!r}")
        seconds = DURATIONS[int(message[1:]) % 3]
        kind = self._choices.fault("task", ENDINGS)
        if kind == "slow":
            return Outcome("succeeded", wall_seconds=4.0), DURATIONS[3 + self._choices.how_much(3)]
        if kind is None:
            return Outcome("succeeded", wall_seconds=seconds), seconds
        if kind == "lost" and self._spec.pool != "prefork":
            kind = "failed"
        return Outcome(kind, f"{kind} by chance", wall_seconds=seconds), seconds  # type: ignore[arg-type]

    def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        if self._closed:
            return
        self._running.discard(delivery)
        self._judge.ended(str(delivery.headers.get("id")), outcome.kind, delivery)
        self._consumer.done(delivery, outcome)
        while self._waiting and len(self._running) < self._spec.slots:
            self._start(self._waiting.popleft())

    def _run_inline(self, delivery: Delivery) -> None:
        self._consumer.loop_lock.release()
        try:
            outcome, seconds = self._run(delivery)
            self._clock.sleep(seconds)
        finally:
            self._consumer.loop_lock.wait()
        self._judge.ended(str(delivery.headers.get("id")), outcome.kind, delivery)
        self._consumer.done(delivery, outcome)


def body_of(message: str) -> bytes:
    return f'[["{message}"], {{}}, {{"chain": null}}]'.encode()
