"""The contract on a broker that fleet knows by kombu only: kombu's memory, with a worker's real loop in this process.

kombu's memory ends with its process, and so the worker is a thread here, put together as fleet.worker.run does it.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from fleet.launch_specs import WorkerLaunch
from fleet.worker import run
from fleet.worker.connection import BrokerConnection
from fleet.worker.consumer import Consumer
from fleet.worker.context import LoopContext
from fleet.worker.log import Log
from fleet.worker.orders import Order
from fleet.worker.pools import Host, make_pool
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings
from fleet.worker.state import Gate
from fleet.worker.stats import Stats
from tests.conftest import Broker
from tests.contract.harness import Mailbox, Worker
from tests.contract.test_running import (  # noqa: F401  collected here once more
    key,
    test_a_delayed_message_runs_when_its_time_has_come,
    test_a_task_that_raises_is_retried_then_dead_lettered_with_its_traceback,
    test_a_tasks_own_policy_goes_before_the_groups,
    test_bad_messages_are_dead_lettered_with_the_reason_and_the_worker_goes_on,
    test_every_message_runs_once_and_knows_itself,
    test_never_more_in_flight_than_concurrency,
    test_retry_comes_back_after_its_delay,
    test_sys_exit_in_a_task_is_a_failure_like_others,
)
from tests.support import eventually


@dataclass
class InProcess(Worker):
    """A worker whose loop runs in a thread, and whose pool is threads."""

    def start(self, *, ready: bool = True) -> InProcess:
        self.log_file.touch()
        launch = WorkerLaunch("contract/0", 0, "r1", self.spec(), "", "")
        reactor, gate, settings = Reactor(), Gate(), Settings(launch)
        log = Log(launch.worker, "error")
        context = LoopContext(
            launch=launch,
            settings=settings,
            connection=BrokerConnection(
                lambda: run._make_link(launch, settings), reactor, log, random.random
            ),
            prefetch=Prefetch(launch.spec),
            reactor=reactor,
            gate=gate,
            stats=Stats(launch.worker, launch.revision, state=lambda: gate.state, settings=settings),
            log=log,
            random=random.random,
        )
        self.consumer = consumer = Consumer(context)
        host = Host(
            launch=launch,
            app=run._app(launch),
            reactor=reactor,
            log=log,
            done=consumer.done,
            up=consumer.pool_up,
            broken=consumer.pool_broken,
            back=consumer.back,
            loop_lock=consumer.loop_lock,
            random=random.random,
            remote=consumer.remote,
            begins=consumer.begins,
        )
        pool = make_pool(launch.spec.pool, host)
        self.thread = threading.Thread(target=consumer.run, args=(pool,), daemon=True)
        self.thread.start()
        eventually(lambda: gate.state == "ready", within=30, message="ready")
        return self

    def stop(self) -> None:
        self.consumer.order(Order("drain", float("inf")))
        self.thread.join(30)
        assert not self.thread.is_alive(), "it does not drain"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    mailbox = Mailbox(Broker("memory", "memory://"))
    worker = InProcess(folder, mailbox, "threads")
    with mock.patch.dict(os.environ, CONTRACT_JOURNAL=str(worker.journal_file)):
        yield worker.start()
        worker.stop()
    mailbox.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_worker_consumes_by_the_consumer_for_any_broker(worker: InProcess) -> None:
    link = worker.consumer._connection._link
    assert type(link._line).__module__ == "fleet.broker.other_kombu.consumer"
