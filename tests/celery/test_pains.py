"""What hurts Celery's users, shown not to happen: each test names the issues that tell of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from fleet.protocol import Encoded
from tests.brokers import OwnRabbit, OwnRedis, free_port
from tests.celery.conftest import Shop, on, open_shop
from tests.conftest import Broker
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

ONCE = on(("prefork", "redis"))
BROKERS = on(("prefork", "redis"), ("prefork", "amqp"))


@BROKERS
@pytest.mark.parametrize(
    "message",
    [
        Encoded(b"\xff\x00 no JSON", {"task": "tests.celery.shop.add", "id": "m1"}, {}),
        Encoded(b"[1, 2]", {"task": "tests.celery.shop.add", "id": "m2"}, {}),
        Encoded(b"[[], {}, {}]", {"task": {"odd": 1}, "id": "m3"}, {}),
        Encoded(b"[[], {}, {}]", {"task": "tests.celery.shop.add", "id": "m4", "expires": "yesterday"}, {}),
        Encoded(b"[[], {}, {}]", {"task": "tests.celery.shop.add", "id": "m5", "timelimit": "long"}, {}),
        Encoded(
            b"gASVDAAAAAAAAABdlChLAUsCZS4=", {"task": "a", "id": "m6"}, {}, "application/x-python-serialize"
        ),
    ],
    ids=lambda message: str(message.headers["id"]),
)
def test_a_malformed_message_ends_no_worker(shop: Shop, message: Encoded) -> None:
    """A `celery worker` ends with it, and again after each restart."""
    pid = shop.worker.pid
    shop.mailbox.post(message)
    assert shop.mailbox.dead(str(message.headers["id"]))["reason"]
    assert shop.run("add", 1, 2) == 3
    assert shop.worker.pid == pid


@ONCE
def test_a_body_of_some_megabytes_hangs_no_pool(shop: Shop) -> None:
    """#4185, #2606, #1310."""
    text = "x" * 6_000_000
    results = [shop.send("late", text) for _ in range(4)]
    assert [len(result.get(timeout=60)) for result in results] == [len(text)] * 4
    assert shop.run("add", 1, 2) == 3


def test_an_eta_beyond_the_visibility_timeout_runs_once(
    broker: Broker, redis_url: str, short_folder: Path
) -> None:
    """kombu#337, #2481, #3270, #9882."""
    if broker.name != "redis":
        pytest.skip("only Redis has it")
    conf = {"broker_transport_options": {"visibility_timeout": 1}}
    with open_shop("prefork", broker, redis_url, short_folder, conf=conf) as shop:
        assert shop.send("late", "once", 2.5, countdown=3).get(timeout=30) == "once"
        # By the time that this one has come, another "once" would have.
        assert shop.send("late", "after", countdown=2).get(timeout=30) == "after"
        assert len(shop.noted("late began", key="once")) == 1


@BROKERS
def test_tasks_for_later_are_not_kept_in_the_worker(shop: Shop) -> None:
    """#9849, #10384, #2541: nor do they keep others from running."""
    later = [shop.send("late", f"later{n}", countdown=3600) for n in range(200)]
    assert [shop.run("add", n, 1) for n in range(5)] == [1, 2, 3, 4, 5]

    def reserved() -> list[Any]:
        replies = shop.client.control.inspect(timeout=2, limit=1).reserved()
        return list((replies or {}).values())

    assert eventually(lambda: reserved() == [[]], within=30, message="nothing held")
    assert not shop.noted("late began", key="later0")
    assert len(later) == 200


def test_a_killed_worker_loses_nothing_that_is_late(
    broker: Broker, redis_url: str, short_folder: Path
) -> None:
    """All of it dies, the loop and its processes, while tasks run and others wait in it."""
    with open_shop("prefork", broker, redis_url, short_folder) as shop:
        results = [shop.send("late", f"kept{n}", 0.3) for n in range(12)]
        shop.until_noted("late ended", 2)
        shop.worker.note_children()
        shop.worker.signal(signal.SIGKILL)
        shop.worker.wait()
        shop.worker.start()
        assert sorted(result.get(timeout=60) for result in results) == sorted(f"kept{n}" for n in range(12))


@ONCE
def test_a_chord_completes_although_processes_of_its_header_die(shop: Shop) -> None:
    """#9674: no chord_unlock for ever, no body that never comes."""
    from celery import chord

    header = [shop.sig("add", n, n) for n in range(4)] + [shop.sig("dies_once_and_adds", "chord", 1)]
    assert chord(header, shop.sig("total")).apply_async().get(timeout=60) == 13


def test_nothing_stops_when_redis_has_been_away(own_redis: OwnRedis, short_folder: Path) -> None:
    """#8030, #8091, #10205, #9191."""
    broker = Broker("redis", own_redis.url, "t-away")
    with open_shop("prefork", broker, own_redis.url, short_folder) as shop:
        assert shop.run("add", 1, 2) == 3
        own_redis.stop()
        eventually(lambda: "trying again" in shop.worker.log(), within=30, message="it notices")
        own_redis.start()
        fresh = shop.client.connection_for_write()
        fresh.ensure_connection(max_retries=50, interval_step=0.2, interval_max=0.5)

        def works() -> bool:
            try:
                return bool(shop.run("add", 1, 2, within=10) == 3)
            except Exception:
                return False

        assert eventually(works, within=60, message=f"it goes on\n{shop.worker.log()[-3000:]}")


def test_consumer_timeout_ends_no_worker_and_repeats_no_task(
    hasty_rabbit: OwnRabbit, redis_url: str, short_folder: Path
) -> None:
    """#6760, #6954: the task takes four timeouts, and is acknowledged late."""
    broker = Broker("amqp", hasty_rabbit.url)
    with open_shop("prefork", broker, redis_url, short_folder) as shop:
        pid = shop.worker.pid
        long = shop.send("late", "long", 8.0)
        shop.until_noted("late began", key="long")
        assert long.get(timeout=60) == "long"
        assert shop.run("late", "after") == "after"
        assert shop.worker.pid == pid
        assert len(shop.noted("late began", key="long")) == 1


PROBED = """\
[fleet]
name = "probed"
app = "tests.celery.shop:app"
pythonpath = ["{root}"]

[broker]
url = "{url}"

[queues.celery]
workload = "cpu"

[workers.main]
queues = ["celery"]
pool = "solo"
"""


def test_a_probe_is_answered_while_a_task_takes_all_of_its_worker(
    own_redis: OwnRedis, short_folder: Path
) -> None:
    """#4079: `celery inspect ping` answers when the task has ended, and the pod is killed before."""
    (short_folder / "fleet.toml").write_text(PROBED.format(root=ROOT, url=own_redis.url))
    port = free_port()
    conf = {"broker_url": own_redis.url, "result_backend": own_redis.url}
    environment = {
        **os.environ,
        "CELERY_SHOP": json.dumps(conf),
        "CELERY_SHOP_JOURNAL": str(short_folder / "shop-journal"),
        "PYTHONPATH": str(ROOT),
    }
    client = Celery("client", set_as_current=False)
    client.conf.update(conf)
    with (short_folder / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "fleet", "worker", "main", "--listen", f"127.0.0.1:{port}"],
            cwd=short_folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        result = client.signature("tests.celery.shop.late", args=("busy", 4.0)).apply_async()
        journal = short_folder / "shop-journal"
        eventually(lambda: journal.exists() and "late began" in journal.read_text(), within=60)
        for path in ("live", "ready"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=3) as answer:
                assert answer.status == 200
        assert "late ended" not in journal.read_text()
        assert result.get(timeout=30) == "busy"
    finally:
        worker.terminate()
        worker.wait(30)
        client.close()
