"""A real `python -m fleet.worker` for a test: its broker seen from outside, its journal, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import Delivery, Posting
from fleet.broker.link import Link
from fleet.broker.open import open_dead_letters, open_publisher
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.protocol import Call, Encoded, encode
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from fleet.worker.headers import attempts_of
from tests.conftest import Broker
from tests.support import ROOT, alive, descendants, eventually, unique

APP = "tests.contract.app"
ASYNC_APP = "tests.contract.async_app"  # makes coroutines of all that the contract's apps have defined


class Mailbox:
    """One queue and its dead-letter queue, from outside the worker."""

    def __init__(self, broker: Broker, arguments: dict[str, Any] | None = None) -> None:
        """`arguments` of the queue, on RabbitMQ."""
        self.broker, self.broker_name = broker, broker.name
        name = broker.queue(uuid.uuid4().hex[:6])
        self.spec = BrokerSpec(broker.url, lease_seconds=5.0)
        self.queue = QueueSpec(name, dead_letter=f"{name}.dead", arguments=arguments or {})
        self._publisher = open_publisher(self.spec)
        self._publisher.declare(self.queue)
        self._wake, self._unused = os.pipe()
        self._graveyard = Link(
            Subscription(self.spec, [QueueSpec(f"{name}.dead")], prefetch=1000, identity=f"test@{name}.dead")
        )
        self._graveyard.connect()
        self._dead: dict[str, Delivery] = {}

    def send(self, task: str, *args: Any, queue: str = "", **options: Any) -> str:
        """One call of a task of the contract's app; its id."""
        call = Call(uuid.uuid4().hex, task if "." in task else f"{APP}.{task}", args, **options)
        self.post(encode(call), queue)
        return call.id

    def post(self, message: Encoded, queue: str = "") -> None:
        self._publisher.publish([Posting(queue or self.queue.name, message)])

    def another_queue(self) -> QueueSpec:
        """Declared, and empty."""
        name = self.broker.queue(uuid.uuid4().hex[:6])
        queue = QueueSpec(name, dead_letter=f"{name}.dead", arguments=self.queue.arguments)
        self._publisher.declare(queue)
        return queue

    def dead(self, ident: str, within: float = 15.0) -> dict[str, Any]:
        """The death of message `ident`, as its header tells it."""
        return eventually(
            lambda: self.find_dead(ident), within=within, message=f"{ident} in the dead-letter queue"
        )

    def find_dead(self, ident: str) -> dict[str, Any] | None:
        for delivery in self._graveyard.wait(0.05, self._wake):
            self._dead[str(delivery.headers.get("id"))] = delivery
        delivery = self._dead.get(ident)
        return None if delivery is None else delivery.headers["x-fleet-death"]

    def waiting(self) -> int:
        """How many messages the broker has for workers and has not handed out."""
        graves = open_dead_letters(self.spec)
        assert graves is not None
        try:
            return graves.count(self.queue.name)
        finally:
            graves.close()

    @contextmanager
    def dead_untouched(self) -> Iterator[str]:
        """Dead letters stay where they are meanwhile, for others to look at. The name of their queue."""
        self._graveyard.pause()
        try:
            yield f"{self.queue.name}.dead"
        finally:
            self._graveyard.resume()

    def take_all(self) -> list[str]:
        """Take what waits in the queue, ready at this moment; ids."""
        return list(self.take_attempts())

    def take_attempts(self) -> dict[str, int]:
        """The same, with how often each has been handed out, this time included."""
        link = Link(Subscription(self.spec, [self.queue], prefetch=1000, identity=f"test@{self.queue.name}"))
        link.connect()
        attempts: dict[str, int] = {}
        while found := link.wait(1.0, self._wake):
            attempts |= {str(each.headers.get("id")): attempts_of(each) for each in found}
            link.ack(found)
        link.close()
        return attempts

    def close(self) -> None:
        self._graveyard.close()
        self._publisher.close()
        os.close(self._wake)
        os.close(self._unused)


@dataclass
class Worker:
    """`python -m fleet.worker` on a mailbox's queue. Leaves nothing behind, or `stop` fails."""

    folder: Path
    mailbox: Mailbox
    pool: str
    settings: dict[str, Any] = field(default_factory=dict)
    control_socket: str = ""
    token: str = field(default_factory=unique)
    environment: dict[str, str] = field(default_factory=dict)
    routing: RoutingSpec | None = None
    process: subprocess.Popen[bytes] | None = None
    seen: set[int] = field(default_factory=set)

    def start(self, *, ready: bool = True) -> Worker:
        routing = self.folder / "routing.json"
        rules = self.routing or RoutingSpec(self.mailbox.spec, (self.mailbox.queue,), ())
        routing.write_text(rules.to_json())
        launch = WorkerLaunch(
            worker="contract/0",
            replica=0,
            revision="r1",
            spec=self.spec(),
            control_socket=self.control_socket,
            routing_file=str(routing),
            token=self.token,
        )
        file = self.folder / "launch.json"
        file.write_text(launch.to_json())
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fleet.worker", str(file)],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._variables(), **self.environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            eventually(lambda: self._logged("ready:"), within=30, message=f"ready\n{self.log()}")
            self.seen |= descendants(self.pid)
        return self

    def spec(self) -> WorkerSpec:
        settings: dict[str, Any] = {
            "app": (APP,),
            "queues": (self.mailbox.queue,),
            "concurrency": 3,
            "max_retries": 1,
            "max_deliveries": 3,
            "retry_backoff_seconds": 0.1,
            "grace_period_seconds": 20.0,
            **self.settings,
        }
        if self.pool == "asyncio" and not any(each.endswith("coroutine_app") for each in settings["app"]):
            settings["app"] = (*settings["app"], ASYNC_APP)
        return WorkerSpec(
            fleet="contract",
            group="contract",
            pythonpath=(str(ROOT),),
            broker=self.mailbox.spec,
            pool=self.pool,
            **settings,
        )

    def _variables(self) -> dict[str, str]:
        return {"CONTRACT_JOURNAL": str(self.journal_file), "FLEET_SUPERVISED": "1"}

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def identity(self) -> str:
        """By which it holds leases."""
        return f"contract/0@{socket.gethostname()}:{self.pid}/{self.token}"

    @property
    def concurrency(self) -> int:
        return self.spec().slots

    @property
    def journal_file(self) -> Path:
        return self.folder / "journal"

    @property
    def log_file(self) -> Path:
        return self.folder / "worker.log"

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def journal(self, key: str) -> list[dict[str, Any]]:
        """What the tasks with this key wrote."""
        if not self.journal_file.exists():
            return []
        # The last line may be half there yet, where it goes over the end of a page.
        whole = self.journal_file.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if line["key"] == key]

    def wrote(
        self, key: str, count: int = 1, *, what: str = "", within: float = 30.0
    ) -> list[dict[str, Any]]:
        """Wait for so many lines with this key."""

        def lines() -> list[dict[str, Any]]:
            found = [line for line in self.journal(key) if not what or line["what"] == what]
            return found if len(found) >= count else []

        return eventually(lines, within=within, message=f"{count} x {what or key}\n{self.log()[-3000:]}")

    def _logged(self, text: str) -> bool:
        if self.process is not None and self.process.poll() is not None and text not in self.log():
            raise RuntimeError(f"the worker ended ({self.process.returncode}):\n{self.log()}")
        return text in self.log()

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def wait(self, within: float = 30.0) -> int:
        """Its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log()}") from None

    def note_children(self) -> set[int]:
        self.seen |= descendants(self.pid)
        return self.seen

    def assert_nothing_left(self) -> None:
        def nothing() -> bool:
            return not any(alive(pid) for pid in self.seen)

        try:
            eventually(nothing, within=10, message="no process left")
        finally:
            for pid in filter(alive, self.seen):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Whatever state it is in; for fixtures."""
        if self.process is None:
            return
        self.note_children()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.wait()
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdin:
                self.process.stdin.close()
        self.assert_nothing_left()
