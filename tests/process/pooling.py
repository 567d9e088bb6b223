"""A real prefork pool in the test's own process; the test turns its loop."""

from __future__ import annotations

import json
import multiprocessing.forkserver
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.broker.loop_lock import LoopLock
from fleet.broker.waiting import wait_readable
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.protocol import Call, encode
from fleet.spec import BrokerSpec
from fleet.worker.app import NativeApp, app_spec
from fleet.worker.log import Log
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Host
from fleet.worker.pools.prefork import PreforkPool
from fleet.worker.reactor import Reactor
from tests.support import ROOT

APP = "tests.contract.app"


def delivery(task: str, *args: Any, **options: Any) -> Delivery:
    """As a broker would hand it out."""
    message = encode(Call(uuid.uuid4().hex, f"{APP}.{task}", args, **options))
    return Delivery(
        None, "q", message.body, message.headers, {}, message.content_type, message.content_encoding
    )


class Bench:
    """What a consumer is for a pool."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.journal_file = folder / "journal"
        os.environ["CONTRACT_JOURNAL"] = str(self.journal_file)
        self.spec = WorkerSpec(
            "f", "g", (APP,), (str(ROOT),), BrokerSpec("memory://"), (), "prefork", 2, **settings
        )
        self.done: list[tuple[Delivery, Outcome]] = []
        self.given_back: list[Delivery] = []
        self.broken: list[str] = []
        self.is_up = False
        self.reactor = Reactor()
        launch = WorkerLaunch("g/0", 0, "r1", self.spec, "", "")
        self.pool = PreforkPool(
            Host(
                launch=launch,
                app=NativeApp(app_spec(launch), {}),
                reactor=self.reactor,
                log=Log("g/0", "error"),
                done=lambda delivery, outcome: self.done.append((delivery, outcome)),
                up=lambda _owns, _private: setattr(self, "is_up", True),
                broken=self.broken.append,
                back=self.given_back.extend,
                loop_lock=LoopLock(),
                random=lambda: 0.0,
            )
        )
        self.until(lambda: self.is_up, "the pool is up")

    def turn(self) -> None:
        self.reactor.dispatch(time.monotonic())
        self.pool.flush()

    def until(self, condition: Callable[[], Any], message: str) -> None:
        def turned() -> Any:
            self.turn()
            return condition()

        deadline = time.monotonic() + 20
        while not turned():
            assert time.monotonic() < deadline, message
            wait_readable([self.reactor.fileno()], 0.005)

    def submit(self, *deliveries: Delivery) -> None:
        """Those that it takes, in one go."""
        for each in deliveries:
            self.pool.submit(each)
        self.pool.flush()

    def warm(self, task: str, *args: Any) -> None:
        """Until it is known to be short."""
        while self.pool._assigner._paces.expect(f"{APP}.{task}") > 0.0006:
            self.submit(delivery(task, *args))
            self.until(lambda: self.done, "it ends")
            self.done.clear()

    def configure(self, **settings: Any) -> None:
        self.spec = replace(self.spec, **settings)
        self.pool.configure(self.spec)

    @property
    def in_pool(self) -> int:
        """How many deliveries its processes have."""
        return sum(each.count for each in self.pool._processes.values())

    def lines(self, key: str) -> list[dict[str, Any]]:
        """What tasks with that key wrote."""
        if not self.journal_file.exists():
            return []
        return [
            line for line in map(json.loads, self.journal_file.read_text().splitlines()) if line["key"] == key
        ]

    def wrote(self, key: str, what: str) -> list[str]:
        """Ids, of what tasks with that key wrote."""
        if not self.journal_file.exists():
            return []
        lines = map(json.loads, self.journal_file.read_text().splitlines())
        return [line.get("id") for line in lines if line["key"] == key and line["what"] == what]


@contextmanager
def bench(folder: Path, **settings: Any) -> Iterator[Bench]:
    before = os.environ.get("CONTRACT_JOURNAL")
    made = Bench(folder, **settings)
    try:
        yield made
    finally:
        made.pool.close()
        _stop_fork_server()
        if before is None:
            os.environ.pop("CONTRACT_JOURNAL", None)
        else:
            os.environ["CONTRACT_JOURNAL"] = before


def _stop_fork_server() -> None:
    """There is one per process, and it has the app of this pool."""
    server: Any = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    folder = Path(server._forkserver_address).parent
    with suppress(FileNotFoundError):  # it has cleared up behind itself
        server._stop()
    server._forkserver_address = None
    folder.mkdir(exist_ok=True)  # multiprocessing goes on using it
