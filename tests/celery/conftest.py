"""A worker with the shop's app for each pool and broker, and a client that is Celery's own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery._state import _set_task_join_will_block

import fleet.kombu  # noqa: F401  the client knows sqlite:/// by it
from tests.conftest import Broker, make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import ROOT, eventually

APP = "tests.celery.shop"
POOLS = ("prefork", "solo", "threads", "gevent", "eventlet")
# Each pool on Redis, each other broker with the default pool: pools don't see the broker.
PAIRS = [
    *((pool, "redis") for pool in POOLS),
    ("prefork", "amqp"),
    ("threads", "amqp"),
    ("prefork", "sqlite"),
]


@pytest.fixture(autouse=True)
def a_client_as_before() -> Iterator[None]:
    """Who loads an app in this process makes it a worker, whose tasks may not wait for results; others are clients."""
    yield
    _set_task_join_will_block(False)


@dataclass
class Shop:
    """A worker of fleet's that runs the shop, and a client."""

    worker: Worker
    client: Celery
    mailbox: Mailbox

    @property
    def pool(self) -> str:
        return self.worker.pool

    def sig(self, task: str, *args: Any, **options: Any) -> Any:
        """A signature of the shop's task."""
        return self.client.signature(f"{APP}.{task}", args=args, **options)

    def run(self, task: str, *args: Any, within: float = 30.0, **options: Any) -> Any:
        """Its result."""
        return self.send(task, *args, **options).get(timeout=within)

    def send(self, task: str, *args: Any, **options: Any) -> Any:
        return self.sig(task, *args).apply_async(**options)

    @property
    def journal_file(self) -> Path:
        return self.worker.folder / "shop-journal"

    def noted(self, what: str, **more: Any) -> list[dict[str, Any]]:
        if not self.journal_file.exists():
            return []
        lines = [json.loads(line) for line in self.journal_file.read_text().rpartition("\n")[0].splitlines()]
        wanted = {"what": what, **more}
        return [line for line in lines if wanted.items() <= line.items()]

    def until_log(self, text: str) -> None:
        eventually(lambda: text in self.worker.log(), within=30, message=f"{text!r} in the log")

    def until_noted(self, what: str, count: int = 1, **more: Any) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            lines = self.noted(what, **more)
            return lines if len(lines) >= count else []

        return eventually(found, within=30, message=f"{count} x {what}\n{self.worker.log()[-3000:]}")


def settings_of(broker: Broker, mailbox: Mailbox, redis_url: str) -> dict[str, Any]:
    """As a project has them in its settings."""
    return {
        "broker_url": broker.url,
        "result_backend": redis_url,
        "result_backend_transport_options": {"global_keyprefix": f"{broker.token}:"},
        "task_default_queue": mailbox.queue.name,
        "broker_connection_retry_on_startup": True,
        "result_expires": 300,
        # Of this test alone: other tests use the same brokers at the same time.
        "control_exchange": f"{broker.token}-control",
        "event_exchange": f"{broker.token}-events",
    }


@contextmanager
def open_shop(
    pool: str,
    broker: Broker,
    redis_url: str,
    folder: Path,
    conf: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Shop]:
    """Started, and ended after. `conf` are settings of Celery's, `settings` of the group's.

    `environment` among these is the worker's, `arguments` are the queue's.
    """
    environment = settings.pop("environment", {})
    kind = (conf or {}).get("task_default_queue_type")
    arguments = settings.pop("arguments", None)
    mailbox = Mailbox(broker, {"x-queue-type": kind} if kind else arguments)
    shop_conf = {**settings_of(broker, mailbox, redis_url), **(conf or {})}
    client = Celery("client", set_as_current=False)
    client.conf.update(shop_conf)
    worker = Worker(
        folder,
        mailbox,
        pool,
        settings={"app": (f"{APP}:app",), "acks": "app", **settings},
        environment={
            "CELERY_SHOP": json.dumps(shop_conf),
            "CELERY_SHOP_JOURNAL": str(folder / "shop-journal"),
            "PYTHONPATH": str(ROOT),
            **environment,
        },
    )
    try:
        worker.start()
        yield Shop(worker, client, mailbox)
    finally:
        worker.stop()
        client.close()
        mailbox.close()
        Broker("redis", redis_url, broker.token).clean()


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def shop(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Shop]:
    """One that goes on after each test."""
    pool, name = request.param
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    for broker in make_broker(name, request, folder):
        with open_shop(pool, broker, redis_url, folder) as shop:
            yield shop
    shutil.rmtree(folder, ignore_errors=True)


def on(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    """For a test of `shop` that is about these pools and brokers."""
    return pytest.mark.parametrize("shop", pairs, ids="-".join, indirect=True, scope="module")


ON_PREFORK = on(("prefork", "redis"), ("prefork", "amqp"), ("prefork", "sqlite"))
