"""One worker of a schedule: the real consumer with all its parts, and what befalls it from outside."""

from __future__ import annotations

from dataclasses import replace

from fleet.broker.consumer import Subscription
from fleet.broker.link import Link
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.worker.connection import BrokerConnection
from fleet.worker.consumer import Consumer
from fleet.worker.context import LoopContext
from fleet.worker.log import Log
from fleet.worker.orders import Order
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings, SettingsChange
from fleet.worker.state import Gate
from fleet.worker.stats import Stats
from tests.simulated.backend import Backend
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.pool import Pool

TO_THE_WORKER = ("drained", "paused", "configured", "killed", "suspended", "rival")
GRACE_SECONDS = 20.0


class Killed(BaseException):
    """The worker's process is gone; nothing of it goes on."""


class Quiet(Log):
    """Says nothing."""

    def _say(self, *_: object) -> None: ...

    debug = info = warning = error = _say  # type: ignore[assignment]


class Life:
    """One worker: the real consumer with all its parts, as fleet.worker.run puts it together."""

    def __init__(
        self, spec: WorkerSpec, backend: Backend, clock: Clock, choices: Choices, number: int
    ) -> None:
        spec = replace(spec, broker=backend.broker, queues=backend.queues)
        self._spec, self._backend, self._clock, self._choices = spec, backend, clock, choices
        self._judge = backend.judge
        launch = WorkerLaunch("g/0", 0, "r1", spec, "", "")
        settings, gate = Settings(launch), Gate()
        log = Quiet("g/0", "error")
        self.reactor = Reactor()
        identity = backend.identity = f"g/0@host:{number}/token"
        self.connection = BrokerConnection(
            lambda: Link(
                Subscription(spec.broker, spec.queues, prefetch=Prefetch(spec).held, identity=identity)
            ),
            self.reactor,
            log,
            self._half,
        )
        context = LoopContext(
            launch=launch,
            settings=settings,
            connection=self.connection,
            prefetch=Prefetch(spec),
            reactor=self.reactor,
            gate=gate,
            stats=Stats(
                "g/0",
                "r1",
                state=lambda: gate.state,
                settings=settings,
                turned_at=clock.now,
                busy_at=clock.now,
            ),
            log=log,
            random=self._half,
        )
        self.consumer = Consumer(context)
        self.pool = Pool(spec, self.consumer, clock, choices, self._judge)
        self.consumer.pool_up({})
        self.is_over = False
        self.is_last = False
        self.is_paused = False
        self.drain_by = float("inf")
        self._is_renewing = False
        self._close = self.connection.close
        self.connection.close = self._close_watched  # type: ignore[method-assign]
        if spec.pool == "solo":
            self.consumer.owing = lambda: clock.after(0.005, self._stand_in)
        clock.after(10.0, self._renew)

    @staticmethod
    def _half() -> float:
        return 0.5

    def _close_watched(self) -> None:
        self._backend.last_close(self.connection.connected and self._clock.now < self.drain_by)
        self._close()
        self._backend.last_close(False)

    @property
    def outages(self) -> int:
        return self.connection.changes // 2 + (not self.connection.connected)

    # The keepalive thread, as an event

    def _renew(self) -> None:
        if self.is_over:
            return
        self._clock.after(10.0, self._renew)
        if not self._is_renewing:
            self._is_renewing = True
            try:
                self.connection.renew()
            finally:
                self._is_renewing = False

    def _stand_in(self) -> None:
        if not self.is_over:
            again = self.consumer.stand_in(self._clock.now)
            if again is not None:
                self._clock.after(again, self._stand_in)

    # From outside

    def suffer(self, trouble: str) -> None:
        match trouble:
            case "drained":
                self.drain()
            case "paused" if self.is_paused:
                self.resume()
            case "paused":
                self.is_paused = True
                self.consumer.order(Order("pause"))
            case "configured":
                settings = ({"concurrency": 3}, {"prefetch": 1}, {"prefetch": None}, {"prefetch": 20})
                change = SettingsChange("r2", settings[self._choices.how_much(len(settings))])
                self.consumer.order(Order("configure", change=change))
            case "killed":
                raise Killed
            case "suspended":
                self._judge.disasters += 1
                self._clock.leap((3.0, 25.0, 70.0)[self._choices.how_much(3)])
            case "rival":
                self._backend.rival()

    def drain(self) -> None:
        if self.drain_by == float("inf"):
            self.drain_by = self._clock.now + GRACE_SECONDS
            self.consumer.order(Order("drain", self.drain_by))

    def resume(self) -> None:
        self.is_paused = False
        self.consumer.order(Order("pause", queues=()))

    def look_at_memory(self, bound: int) -> None:
        """What the worker keeps must not grow with time."""
        link, workload = self.connection._made, self.consumer._workload
        kept: dict[str, int] = {
            "timers": len(self.reactor._timers),
            "waiting": len(workload.backlog),
            "running": len(workload.in_flight),
            "acked": len(workload._acked),
            "acks": len(self.connection._acks),
        }
        if link is not None:
            kept["unfinished settlements"] = len(link._unfinished)
            kept |= {
                f"the line's {name}": len(value)
                for name, value in vars(link._line).items()
                if _is_container(value)
            }
            publisher = getattr(getattr(link._line, "_outgoing", None), "_publisher", None)
            if publisher is not None:
                kept |= {
                    f"the publisher's {name}": len(value)
                    for name, value in vars(publisher).items()
                    if _is_container(value)
                }
        for name, size in kept.items():
            if size > bound:
                self._judge.breach(f"grows without bound: {name}, {size} by now")


def _is_container(value: object) -> bool:
    return isinstance(value, list | dict | set)
