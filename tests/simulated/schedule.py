"""One schedule: a worker (or several, one after the other) against a broker that has its moods, and the verdict.

Real: the consumer loop, what it is made of, the link and all below it. Made up: time, the broker, how tasks end.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest import mock

from fleet.broker.link import Delivery, Link
from fleet.launch_specs import WorkerSpec
from fleet.protocol import Encoded
from fleet.worker import connection as connections
from fleet.worker.reactor import Reactor
from tests.simulated.backend import Backend
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock, FakeTime, HungError
from tests.simulated.judge import Breach, Judge
from tests.simulated.life import GRACE_SECONDS, TO_THE_WORKER, Killed, Life
from tests.simulated.pool import ENDINGS, body_of

_DRAIN_LATE_SECONDS = 120.0  # a broker that hangs may hang the last settlement, but not for ever
_PATIENCE_SECONDS = 900.0  # virtual, for all to be done once nothing goes wrong any more
_MOST_LIVES = 6
_BOUND = 200  # of anything that a worker keeps, with a dozen messages around


class Verdict(NamedTuple):
    breaches: list[str]
    taken: dict[int, int]
    told: list[str]


MakeBackend = Callable[[Clock, Choices, Judge], Backend]


def run_schedule(make: MakeBackend, choices: Choices, time: FakeTime) -> Verdict:
    """`time` is installed. Never raises for what the code under test does: that is a breach."""
    time.clock = Clock()
    schedule = Schedule(make, choices, time.clock)
    try:
        schedule.run()
    except Breach:
        pass
    except (Exception, HungError) as error:
        schedule.judge.breach(f"{type(error).__name__}: {error} at {_where(error)}")
    finally:
        choices.calm = True
        schedule.end()
    return Verdict(schedule.judge.breaches, choices.taken, choices.told)


class Schedule:
    """See the module."""

    def __init__(self, make: MakeBackend, choices: Choices, clock: Clock) -> None:
        self._choices, self._clock = choices, clock
        self._spec = self._choose_spec()
        self.judge = Judge(self._spec.max_deliveries, self._spec.acks)
        self._backend = make(clock, choices, self.judge)
        self._count = (4, 1, 2, 8, 12)[choices.pick("messages", (4, 1, 2, 8, 12))]
        self._calm_at = clock.now + (20.0, 60.0, 5.0)[choices.pick("calm after", (20, 60, 5))]
        self._every = (60, 20, 150, 8)[choices.pick("a fault in", (60, 20, 150, 8))]
        self._life: Life | None = None
        self._reactors: list[Reactor] = []

    def _choose_spec(self) -> WorkerSpec:
        pick = self._choices.pick
        pools, acks = ("threads", "prefork", "solo"), ("late", "late", "late", "early")
        concurrencies, prefetches, chances, retries = (2, 1, 4), (None, 1, 3, 10), (5, 2, 3), (2, 0, 1)
        return WorkerSpec(
            *("simulated", "g", (), ()),
            broker=None,  # type: ignore[arg-type]  # the backend's
            queues=(),
            pool=pools[pick("pool", pools)],
            concurrency=concurrencies[pick("concurrency", concurrencies)],
            prefetch=prefetches[pick("prefetch", prefetches)],
            acks=acks[pick("acks", acks)],
            max_deliveries=chances[pick("max_deliveries", chances)],
            max_retries=retries[pick("max_retries", retries)],
            retry_backoff_max_seconds=4.0,
            grace_period_seconds=GRACE_SECONDS,
        )

    def run(self) -> None:
        backend = self._backend
        with ExitStack() as stack:
            for target, attribute, replacement in (*backend.patches(), *self._watched()):
                stack.enter_context(mock.patch.object(target, attribute, replacement))
            for number in range(self._count):
                backend.publish(self._message(f"m{number}"))
            kinds = (*backend.faults, *TO_THE_WORKER, *ENDINGS)
            self._choices.unsettle(kinds, self._every)
            self._clock.after(1.0, self._tick)
            for life in range(_MOST_LIVES):
                if life == _MOST_LIVES - 1:
                    self._choices.calm = True
                if not self._live(life):
                    break
            self._look_at_the_end()

    def _message(self, message: str) -> Encoded:
        headers = {"lang": "py", "task": "t", "id": message, "root_id": message, "retries": 0, "eta": None}
        return Encoded(body_of(message), headers, {"correlation_id": message, "delivery_mode": 2})

    def _watched(self) -> list[tuple[Any, str, Any]]:
        """The link's settlements, each told to the judge; and the wait, which is simulated."""
        judge = self.judge

        def watch(name: str) -> Any:
            real = getattr(Link, name)

            def settle(link: Link, what: Any, *rest: Any, **named: Any) -> None:
                for delivery in [what] if isinstance(what, Delivery) else what:
                    if delivery.generation == link._generation:
                        judge.settled(delivery, name)
                real(link, what, *rest, **named)

            return settle

        # dead_letter without a dead-letter queue calls ack: no queue here is so.
        names = ("ack", "requeue", "retry", "dead_letter")
        return [
            *((Link, name, watch(name)) for name in names),
            (connections, "wait_readable", self._backend.network.wait_readable),
        ]

    def _live(self, number: int) -> bool:
        """One worker from start to end; whether another one is wanted."""
        life = self._life = Life(self._spec, self._backend, self._clock, self._choices, number)
        self._reactors.append(life.reactor)
        try:
            life.consumer.run(life.pool)
        except Killed:
            self.judge.disasters += 1
            self._backend.crash()
            self._backend.revive()
            return True
        finally:
            life.is_over = True
            self.judge.disasters += life.outages
        if self._clock.now > life.drain_by + _DRAIN_LATE_SECONDS:
            self.judge.breach(f"drained {self._clock.now - life.drain_by:.0f} s after its grace period")
        self._backend.check()
        return not life.is_last

    def _tick(self) -> None:
        """Once a second: what happens to the worker from outside, and whether all is well."""
        clock, life = self._clock, self._life
        clock.after(1.0, self._tick)
        if self.judge.breaches:
            raise Breach
        if clock.now >= self._calm_at and not self._choices.calm:
            self._choices.calm = True
        if life is None or life.is_over:
            return
        life.look_at_memory(_BOUND)
        if clock.now > life.drain_by + _DRAIN_LATE_SECONDS + GRACE_SECONDS:
            self.judge.breach("a drain does not end")
            raise Breach
        if self._choices.calm:
            self._wait_for_the_end(life)
        elif trouble := self._choices.fault("worker", TO_THE_WORKER):
            life.suffer(trouble)

    def _wait_for_the_end(self, life: Life) -> None:
        if life.is_paused:
            life.resume()
        if self._backend.pending() == 0:
            life.is_last = True
            life.drain()
        elif self._clock.now > self._calm_at + _PATIENCE_SECONDS:
            self.judge.breach(
                f"stuck: {self._backend.pending()} messages not done {_PATIENCE_SECONDS:.0f} s after the last fault"
            )
            raise Breach

    def _look_at_the_end(self) -> None:
        dead = self._backend.dead()
        for message, reason in dead.items():
            self.judge.dead(message, reason)
        if self._spec.acks == "early":
            return
        for number in range(self._count):
            message = f"m{number}"
            if message not in dead and not self.judge.fates[message].succeeded_at:
                self.judge.breach(f"lost: {message} has never succeeded, and is nowhere")

    def end(self) -> None:
        self._backend.close()
        for reactor in self._reactors:
            for descriptor in (reactor._read, reactor._write):
                os.close(descriptor)
            if reactor._selector is not None:
                reactor._selector.close()


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-1:-6:-1])
