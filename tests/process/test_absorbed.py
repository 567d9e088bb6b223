"""A task that keeps the interpreter lock silences its whole worker, which is not killed for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import Posting
from fleet.broker.open import open_store
from fleet.protocol import Call, encode
from fleet.spec import BrokerSpec
from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.support import alive, eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

SECONDS = 15  # silent is who says nothing for ten; five leases
TASKS = f"""
import ctypes
from fleet import task

@task
def hold(key):
    with open(key, "a") as journal:
        journal.write("begin\\n")
    ctypes.PyDLL(None).sleep({SECONDS})  # unlike CDLL it keeps the lock, and needs no CPU
    with open(key, "a") as journal:
        journal.write("end\\n")
"""

FILE = """\
[fleet]
name = "absorbed"
app = "work"

[broker]
url = "{url}"
lease = "3s"

[queues."{queue}"]

[workers.lone]
queues = ["{queue}"]
pool = "{pool}"
replicas = 2

[rollout]
min_ready = "200ms"
"""
BOTH = ("lone/0", "lone/1")


@pytest.fixture
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.mark.parametrize(("broker", "pool"), [("sqlite", "solo"), ("redis", "threads")], indirect=["broker"])
def test_a_task_that_holds_the_interpreter_runs_once_and_its_worker_lives_on(
    broker: Broker, pool: str, short_folder: Path
) -> None:
    """The other worker has time, and would take what a lease gives up."""
    queue, journal = broker.queue(unique("q")), short_folder / "journal"
    text = FILE.format(url=broker.url, queue=queue, pool=pool)
    with Following(short_folder, text, TASKS) as fleet:
        before = fleet.settled(*BOTH)
        store = open_store(BrokerSpec(broker.url))
        try:
            store.publish([Posting(queue, encode(Call(unique("id"), "work.hold", (str(journal),))))])
            eventually(lambda: _read(journal), within=20, message=f"it begins\n{fleet.tail()}")
            eventually(lambda: "end" in _read(journal), within=60, message=f"it ends\n{fleet.tail()}")
            eventually(lambda: store.stats(queue).claimed == 0, within=10, message="it is acked")
            assert store.stats(queue).ready == 0
        finally:
            store.close()
        assert _read(journal).split() == ["begin", "end"]
        assert fleet.by_pid() == before
        fleet.says("does not report, and is left alone")


@pytest.mark.parametrize("broker", ["sqlite"], indirect=True)
def test_one_that_is_stopped_in_its_midst_is_replaced(broker: Broker, short_folder: Path) -> None:
    queue, journal = broker.queue(unique("q")), short_folder / "journal"
    text = FILE.format(url=broker.url, queue=queue, pool="solo")
    with Following(short_folder, text, TASKS) as fleet:
        before = fleet.settled(*BOTH)
        store = open_store(BrokerSpec(broker.url))
        try:
            store.publish([Posting(queue, encode(Call(unique("id"), "work.hold", (str(journal),))))])
        finally:
            store.close()
        eventually(lambda: "begin" in _read(journal), within=20, message="it runs")
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: not any(map(alive, before.values())), within=40, message="both are killed")
        eventually(lambda: "end" in _read(journal), within=60, message="it is done by another")


def _read(journal: Path) -> str:
    return journal.read_text() if journal.exists() else ""
