"""Queues of one worker alone: what is sent to it by worker_direct, and its copy of what is sent to all."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import kombu
import pytest
from celery import Celery
from celery.utils.nodenames import worker_direct
from kombu import Queue
from kombu.common import Broadcast

from fleet.spec import QueueSpec
from tests.celery.conftest import APP, settings_of
from tests.conftest import Broker, make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

PAIRS = [
    ("prefork", "redis"),
    ("threads", "redis"),
    ("gevent", "redis"),
    ("solo", "redis"),
    ("prefork", "amqp"),
    ("gevent", "amqp"),
    ("prefork", "sqlite"),
]


class Pair:
    """Two workers of one group that run the shop, and a client: `news` is a Broadcast queue of the app's."""

    def __init__(self, pool: str, broker: Broker, redis_url: str, folder: Path) -> None:
        self.broker, self.news, self.folder = broker, broker.queue("news"), folder
        self.nodes = [f"{broker.token}-{name}@here" for name in ("one", "two")]
        self.mailbox = Mailbox(broker)
        conf = {**settings_of(broker, self.mailbox, redis_url), "worker_direct": True}
        self.client = Celery("client", set_as_current=False)
        self.client.conf.update(conf)
        self.client.conf.task_queues = (Queue(self.mailbox.queue.name), Broadcast(self.news))
        self.workers = [self._worker(pool, node, conf) for node in self.nodes]

    def _worker(self, pool: str, node: str, conf: dict[str, Any]) -> Worker:
        folder = self.folder / node
        folder.mkdir()
        settings = {
            "app": (f"{APP}:app",),
            "acks": "app",
            "concurrency": 1 if pool == "solo" else 2,
            "queues": (self.mailbox.queue, QueueSpec(self.news)),
        }
        environment = {
            "CELERY_SHOP": json.dumps(conf),
            "CELERY_SHOP_JOURNAL": str(self.folder / "shop-journal"),
            "CELERY_SHOP_NEWS": self.news,
            "FLEET_CELERY_NODENAME": node,
            "PYTHONPATH": str(ROOT),
        }
        return Worker(folder, self.mailbox, pool, settings=settings, environment=environment)

    def tell(self, task: str, *args: Any, **options: Any) -> Any:
        return self.client.signature(f"{APP}.{task}", args=args).apply_async(**options)

    def heard(self, what: str = "heard") -> Counter[tuple[str, str]]:
        journal = self.folder / "shop-journal"
        text = journal.read_text().rpartition("\n")[0] if journal.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return Counter((line["node"], line["news"]) for line in lines if line["what"] == what)

    def until_heard(self, news: str, nodes: list[str] | None = None, what: str = "heard") -> None:
        wanted = {(node, news) for node in nodes or self.nodes}
        log = "\n".join(worker.log()[-2000:] for worker in self.workers if worker.process)
        eventually(lambda: wanted <= set(self.heard(what)), within=30, message=f"{news} at {wanted}\n{log}")

    def until_both_listen(self) -> None:
        """On Redis nobody gets what was published before."""
        for attempt in range(100):
            self.tell("hears", f"hello{attempt}", queue=self.news)
            with suppress(AssertionError):
                eventually(
                    lambda attempt=attempt: sum(n == f"hello{attempt}" for _, n in self.heard()) == 2,
                    within=1,
                    message="both",
                )
                return
        raise AssertionError("\n".join(worker.log() for worker in self.workers))

    def close(self) -> None:
        with suppress(Exception), kombu.Connection(self.broker.url) as connection:
            connection.default_channel.exchange_delete(self.news)
        self.client.close()
        self.mailbox.close()


@contextmanager
def open_pair(request: pytest.FixtureRequest, pool: str, name: str, redis_url: str) -> Iterator[Pair]:
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    for broker in make_broker(name, request, folder):
        pair = Pair(pool, broker, redis_url, folder)
        with ExitStack() as stack:
            stack.callback(Broker("redis", redis_url, broker.token).clean)
            stack.callback(pair.close)
            for worker in pair.workers:
                stack.callback(worker.stop)
                worker.start()
            pair.until_both_listen()
            yield pair
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Pair]:
    """Goes on after each test."""
    pool, name = request.param
    with open_pair(request, pool, name, redis_url) as pair:
        yield pair


def test_each_worker_gets_one_copy_of_what_is_broadcast(pair: Pair) -> None:
    news = [f"news{n}" for n in range(5)]
    for each in news:
        pair.tell("hears", each, queue=pair.news)
    pair.tell("hears", "the end", queue=pair.news)
    pair.until_heard("the end")
    pair.until_heard("news0")
    heard = pair.heard()
    assert {key: heard[key] for key in heard if key[1] in news} == {
        (n, e): 1 for n in pair.nodes for e in news
    }


def test_a_client_that_has_declared_the_exchange_reaches_each_worker_once(pair: Pair) -> None:
    """On Redis that goes another way."""
    with pair.client.connection_for_write() as connection:
        pair.client.amqp.queues[pair.news].exchange(connection.channel()).declare()
        for n in range(3):
            pair.tell("hears", f"declared{n}", queue=pair.news, connection=connection)
    pair.until_heard("declared2")
    pair.tell("hears", "all declared", queue=pair.news)
    pair.until_heard("all declared")
    heard = {key: count for key, count in pair.heard().items() if key[1].startswith("declared")}
    assert heard == {(node, f"declared{n}"): 1 for node in pair.nodes for n in range(3)}


def test_what_is_sent_to_one_worker_runs_there_alone(pair: Pair) -> None:
    first, second = pair.nodes
    for n in range(4):
        pair.tell("hears", f"for two {n}", queue=worker_direct(second))
    pair.tell("hears", "for one", queue=worker_direct(first))
    pair.until_heard("for one", [first])
    pair.until_heard("for two 3", [second])
    assert {node for node, news in pair.heard() if news.startswith("for two")} == {second}
    assert {node for node, news in pair.heard() if news == "for one"} == {first}


def test_the_queues_of_the_group_are_shared_as_before(pair: Pair) -> None:
    results = [pair.tell("add", n, 1) for n in range(20)]
    assert [each.get(timeout=30) for each in results] == [n + 1 for n in range(20)]


def test_inspecting_a_worker_names_its_own_queues(pair: Pair) -> None:
    inspect = pair.client.control.inspect(timeout=3, destination=pair.nodes)

    def both() -> dict[str, Any]:
        replies = inspect.active_queues() or {}
        return replies if set(replies) == set(pair.nodes) else {}

    replies = eventually(both, within=30, message="both answer")
    for node in pair.nodes:
        names = {queue["name"] for queue in replies[node]}
        assert f"{node}.dq2" in names
        assert pair.mailbox.queue.name in names


@pytest.mark.parametrize("name", ["redis", "amqp", "sqlite"])
def test_a_killed_worker_runs_its_copy_again(
    request: pytest.FixtureRequest, redis_url: str, name: str
) -> None:
    """And the other worker does not run that one, too."""
    with open_pair(request, "prefork", name, redis_url) as pair:
        first, second = pair.nodes
        pair.tell("hears_late", "once more", 1.5, queue=pair.news)
        pair.until_heard("once more", what="hears")
        worker = pair.workers[0]
        worker.note_children()
        worker.signal(signal.SIGKILL)
        worker.wait()
        worker.start()
        pair.until_heard("once more")
        assert pair.heard("hears")[first, "once more"] == 2
        assert pair.heard("hears")[second, "once more"] == 1


@pytest.mark.parametrize("name", ["amqp", "sqlite"])
def test_a_worker_that_is_restarted_finds_what_was_broadcast_meanwhile(
    request: pytest.FixtureRequest, redis_url: str, name: str
) -> None:
    """Under Celery its queue is gone with it."""
    with open_pair(request, "threads", name, redis_url) as pair:
        pair.workers[0].stop()
        pair.tell("hears", "meanwhile", queue=pair.news)
        pair.until_heard("meanwhile", [pair.nodes[1]])
        pair.workers[0].start()
        pair.until_heard("meanwhile")
        assert pair.heard()[pair.nodes[0], "meanwhile"] == 1
