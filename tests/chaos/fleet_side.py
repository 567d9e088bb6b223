"""A real fleet under fire: `fleet up` with two workers, its file edited, its processes killed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.chaos.brokers import BrokerUnderFire
from tests.chaos.messages import Work
from tests.chaos.names import QUEUE
from tests.chaos.processes import Process, kill, kill_family, processes
from tests.chaos.schedule import Fault
from tests.chaos.setups import PLAIN, Setup
from tests.running import RunningFleet
from tests.support import ROOT, eventually

CONCURRENCY = {"prefork": 2, "solo": 1, "threads": 4, "gevent": 8, "eventlet": 8, "asyncio": 8}
LEASE_SECONDS = 10
_KILLED = ("worker", "controller", "child", "forkserver")

_FILE = """\
# edit {edits}
[fleet]
name = "chaos"
app = ["tests.chaos.{app}"]
pythonpath = ["{root}"]

[broker]
url = "{url}"
lease = "{lease}s"
heartbeat = "4s"
{broker_lines}
[queues.{queue}]
{queue_lines}
[[routes]]
task = "*"
queue = "{queue}"

[workers.w]
queues = ["{queue}"]
pool = "{pool}"
{concurrency}replicas = {replicas}
prefetch = {prefetch}
max_deliveries = 100  # a run kills far more often than life does
max_retries = {max_retries}
grace_period = "20s"

[rollout]
min_ready = "200ms"
"""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the edits change. `max_retries` plays no part: it is what a solo group can change instead."""

    url: str
    pool: str
    concurrency: int
    replicas: int = 2
    prefetch: int | str = "auto"
    max_retries: int = 3
    edits: int = 0
    queue_lines: str = ""
    broker_lines: str = ""
    runs_celery: bool = False

    def text(self) -> str:
        return _FILE.format(
            root=ROOT,
            app=self._app(),
            lease=LEASE_SECONDS,
            queue=QUEUE,
            url=self.url,
            pool=self.pool,
            concurrency="" if self.pool == "solo" else f"concurrency = {self.concurrency}\n",
            replicas=self.replicas,
            prefetch=json.dumps(self.prefetch),
            max_retries=self.max_retries,
            edits=self.edits,
            queue_lines=self.queue_lines,
            broker_lines=self.broker_lines,
        )

    def _app(self) -> str:
        if self.runs_celery:
            return "celery_app:app"
        return "async_app" if self.pool == "asyncio" else "app"

    def edited(self, kind: str, pick: float) -> Declared:
        """The next state of the file, another one than this."""
        if kind == "replicas":
            others = [number for number in (1, 2, 3) if number != self.replicas]
            return replace(self, edits=self.edits + 1, replicas=others[int(pick * 2)])
        if kind == "concurrency":
            usual = CONCURRENCY[self.pool]
            others = [number for number in (usual, usual + 1, usual * 2 + 1) if number != self.concurrency]
            retries = (self.max_retries + 1) % 10
            return replace(
                self, edits=self.edits + 1, concurrency=others[int(pick * len(others))], max_retries=retries
            )
        return replace(self, edits=self.edits + 1)


class FleetUnderFire:
    """See Side."""

    def __init__(
        self,
        folder: Path,
        broker: BrokerUnderFire,
        pool: str,
        *,
        prefetch: int | str = "auto",
        setup: Setup = PLAIN,
        environment: Mapping[str, str] | None = None,
        runs_celery: bool = False,
    ) -> None:
        """`environment`: more of it, for the fleet alone. `runs_celery`: the app and its client are Celery's."""
        self._folder = folder
        self._declared = Declared(
            broker.url,
            pool,
            CONCURRENCY[pool],
            prefetch=prefetch,
            queue_lines=setup.queue,
            broker_lines=setup.broker,
            runs_celery=runs_celery,
        )
        self._for_clients = broker.environment()
        self._fleet = RunningFleet(folder, env={**self.publishing(), **(environment or {})}, healthy=False)

    def start(self) -> None:
        self._save(self._declared.text())
        self._fleet.start()
        eventually(lambda: self._fleet.status()["state"] == "healthy", within=60, message="healthy")

    def processes(self) -> list[Process]:
        return processes(self._fleet.mark)

    def strike(self, fault: Fault) -> frozenset[int]:
        if fault.kind == "up":
            return self._kill_up()
        if fault.kind in _KILLED:
            return self._kill_one(fault)
        if fault.kind == "invalid":
            self._wait_for_controller()
            self._save(self._declared.text() + "\n[workers.w\n")
            time.sleep(fault.seconds)
        else:
            self._declared = self._declared.edited(fault.kind, fault.pick)
        self._save(self._declared.text())
        return frozenset()

    def _kill_up(self) -> frozenset[int]:
        """Nothing else dies of it: workers drain. A service manager starts it again at once."""
        assert self._fleet.process is not None
        pid = self._fleet.pid
        kill(pid)
        self._fleet.process.wait(10)
        self._fleet.start()
        return frozenset({pid})

    def _wait_for_controller(self) -> None:
        """A `fleet up` that has just begun refuses a file with errors, and rightly so."""

        def there() -> bool:
            found = self.processes()
            return any(each.role == "controller" and each.parent == self._fleet.pid for each in found)

        eventually(there, within=60, message="the controller of this `fleet up`")

    def _kill_one(self, fault: Fault) -> frozenset[int]:
        def candidates() -> list[Process]:
            return [each for each in self.processes() if each.role == fault.kind]

        there = eventually(candidates, within=60, message=f"a {fault.kind} to kill")
        victim = there[int(fault.pick * len(there))]
        return frozenset(kill_family(victim.pid, self.processes))

    def _save(self, text: str) -> None:
        """As editors do: another file takes the name."""
        draft = self._folder / "fleet.toml~"
        draft.write_text(text)
        draft.rename(self._folder / "fleet.toml")

    def tend(self) -> None:
        process = self._fleet.process
        assert process is not None
        assert process.poll() is None, f"`fleet up` ended by itself with {process.returncode}"

    def rescue(self) -> None:
        raise AssertionError("messages are ready and nobody takes them")

    def publisher(self, work: Work) -> list[str]:
        client = "celery_app" if self._declared.runs_celery else "publisher"
        return [sys.executable, "-m", f"tests.chaos.{client}", str(self._folder), json.dumps(asdict(work))]

    def publishing(self) -> dict[str, str]:
        for_celery = {"CHAOS_BROKER": self._declared.url, "CHAOS_REJECT": "0"}
        return {"CHAOS_JOURNAL": str(self._folder / "journal"), **for_celery, **self._for_clients}

    def stop(self) -> None:
        """Raises AssertionError when it does not end, or leaves something behind."""
        self._fleet.end()

    def left_over(self) -> list[Process]:
        return self.processes()

    def kill_all(self) -> None:
        for process in self.processes():
            kill(process.pid)
