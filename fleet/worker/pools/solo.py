"""No pool at all: the task runs in the loop's own thread. Fast, and the loop waits for it; a deputy stands in."""

from __future__ import annotations

from fleet.broker.delivery import Delivery
from fleet.spec import WorkerSpec
from fleet.worker.execution import Executor
from fleet.worker.limits import Alarm
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Direct, Host, owns


class SoloPool(Direct):
    """One delivery at a time, inline. Soft limits by SIGALRM; no hard ones."""

    def __init__(self, host: Host) -> None:
        accept = host.launch.spec.broker.accept
        self._executor = Executor(host.targets, accept=accept, limits=Alarm())
        self._done = host.done
        self._helm = host.helm
        host.up(owns(host.targets))

    def submit(self, delivery: Delivery) -> None:
        self._helm.release()
        try:
            outcome = self._executor.run(delivery)
        finally:
            self._helm.wait()
        self._done(delivery, outcome)

    def recall(self) -> list[Delivery]:
        return []

    def configure(self, spec: WorkerSpec) -> None:
        self._executor.configure(default_policy(spec))

    def close(self) -> None:
        """Nothing runs between two submits."""
