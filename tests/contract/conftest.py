"""One running worker per pool and broker, shared by a module's tests; others for tests that end theirs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import BROKERS, Broker, make_broker
from tests.contract.harness import Mailbox, Worker

POOLS = ("solo", "threads", "gevent", "eventlet", "asyncio", "prefork")


_HERE = Path(__file__).parent
_NONE = SimpleNamespace(params={})

# In these files what is asked takes long and depends on the broker: asyncio answers on one of them.
_LONG = ("test_bodies", "test_hostile", "test_prefetch", "test_queue_order")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [
        item
        for item in items
        if item.path.stem in _LONG
        and any(f"asyncio-{name}" in item.name for name in BROKERS if name != "sqlite")
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        # Each process of xdist would start a worker of its own, for one or two tests.
        if item.path.parent == _HERE and "worker" in (params := getattr(item, "callspec", _NONE).params):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {params['worker']}"))


def on_pools(*pools: str) -> pytest.MarkDecorator:
    """For a test of `worker` that only these pools can pass."""
    pairs = [(pool, name) for name in BROKERS for pool in pools]
    return pytest.mark.parametrize("worker", pairs, ids="-".join, indirect=True, scope="module")


QUORUM = ("prefork", "quorum")  # the other kind of queue on RabbitMQ; the pools make no difference to it


@pytest.fixture(
    scope="module", params=[*((pool, name) for name in BROKERS for pool in POOLS), QUORUM], ids="-".join
)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """A worker that goes on after each test."""
    pool, name = request.param
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    arguments = {"x-queue-type": "quorum"} if name == "quorum" else {}
    for broker in make_broker("amqp" if name == "quorum" else name, request, folder):
        mailbox = Mailbox(broker, arguments)
        if request.module.__name__.endswith("test_bodies"):  # 20 MB take longer than its short lease allows
            mailbox.spec = replace(mailbox.spec, lease_seconds=30.0)
        worker = Worker(folder, mailbox, pool)
        try:
            yield worker.start()
        finally:
            worker.stop()
            mailbox.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mailbox(broker: Broker) -> Iterator[Mailbox]:
    """For a test whose worker ends."""
    mailbox = Mailbox(broker)
    yield mailbox
    mailbox.close()


@pytest.fixture(params=POOLS)
def ending_worker(request: pytest.FixtureRequest, short_folder: Path, mailbox: Mailbox) -> Iterator[Worker]:
    """Not started yet; the test ends it."""
    worker = Worker(short_folder, mailbox, request.param)
    yield worker
    worker.stop()
