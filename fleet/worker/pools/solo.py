"""No pool at all: the task runs in the loop's own thread. Fast, and the loop waits for it; a keepalive stands in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerSpec
from fleet.worker.execution import RunOptions
from fleet.worker.limits import Alarm
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Direct, Host


class SoloPool(Direct):
    """One delivery at a time, inline. Soft limits by SIGALRM; no hard ones."""

    def __init__(self, host: Host) -> None:
        self._executor = host.app.runner(RunOptions(limits=Alarm(host.app.soft_error), note=host.log.warning))
        self._done = host.done
        self._loop_lock = host.loop_lock
        host.up(host.app.owns, host.app.private_queues)

    def submit(self, delivery: Delivery) -> None:
        if delivery.on_begin is not None:
            delivery.on_begin = partial(self._begin, delivery.on_begin)
        self._loop_lock.release()
        try:
            outcome = self._executor.run(delivery)
        finally:
            self._loop_lock.wait()
        self._done(delivery, outcome)

    def _begin(self, on_begin: Callable[[], None]) -> None:
        """Beginning acknowledges, which only the loop may, or who has its lock."""
        self._loop_lock.wait()
        try:
            on_begin()
        finally:
            self._loop_lock.release()

    def recall(self) -> list[Delivery]:
        return []

    def configure(self, spec: WorkerSpec) -> None:
        self._executor.configure(default_policy(spec))

    def close(self) -> None:
        """Nothing runs between two submits."""
