"""Result backends other than Redis, and what Celery does on RabbitMQ's quorum queues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, chord, group
from kombu.transport.native_delayed_delivery import level_name

from tests.celery.conftest import Shop, open_shop
from tests.conftest import Broker, make_broker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


@pytest.fixture
def server(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    """Of the kind that the test names."""
    yield from make_broker(request.param, request, short_folder)


def gives_results(shop: Shop) -> None:
    """Success, failure and a state that a task reports."""
    assert [shop.run("add", n, 1) for n in range(5)] == [1, 2, 3, 4, 5]
    failed = shop.send("boom", "as said")
    with pytest.raises(ValueError, match="as said"):
        failed.get(timeout=30)
    assert shop.run("third_time_lucky") == 2


@pytest.mark.parametrize("server", ["redis"], indirect=True)
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_task_that_runs_is_seen_and_tells_how_far_it_is(
    pool: str, server: Broker, redis_url: str, short_folder: Path
) -> None:
    """task_track_started, update_state, result_extended, result_expires."""
    conf = {"task_track_started": True, "result_extended": True, "result_expires": 120}
    with open_shop(pool, server, redis_url, short_folder, conf=conf) as shop:
        result = shop.send("progresses", "half", 50)
        eventually(lambda: result.state == "PROGRESS", within=30, message=shop.worker.log())
        assert result.info == {"percent": 50}
        assert shop.noted("started", key="half")[0]["state"] == "STARTED"
        shop.journal_file.with_name(f"{shop.journal_file.name}.half").touch()
        assert result.get(timeout=30) == "half"
        assert (result.name, result.args, result.queue) == (
            *("tests.celery.shop.progresses", ["half", 50]),
            shop.mailbox.queue.name,
        )
        assert str(result.worker).startswith("contract-0@")
        with redis.Redis.from_url(redis_url) as server_of_results:
            key = shop.client.backend.get_key_for_task(result.id)
            assert 0 < server_of_results.ttl(key) <= 120


@pytest.mark.parametrize("server", ["redis", "amqp"], indirect=True)
def test_tasks_of_a_higher_priority_run_first(server: Broker, redis_url: str, short_folder: Path) -> None:
    """As Celery's clients say it there: 0 is the most urgent on Redis, 9 on RabbitMQ."""
    conf = {"task_queue_max_priority": 10} if server.name == "amqp" else {}
    first, last = (9, 1) if server.name == "amqp" else (0, 9)
    settings = {"concurrency": 1, "prefetch": 1, "acks": "late"}
    arguments = {"x-max-priority": 10} if server.name == "amqp" else None
    with open_shop(
        "threads", server, redis_url, short_folder, conf=conf, arguments=arguments, **settings
    ) as shop:
        shop.send("late", "holds", 2.0)
        shop.until_noted("late began", key="holds")
        results = [shop.send("late", f"p{priority}", priority=priority) for priority in (last, 5, first)]
        for each in results:
            each.get(timeout=30)
        began = [line["key"] for line in shop.noted("late began") if line["key"] != "holds"]
        # One of the least may have been taken before the others came.
        assert began.index(f"p{first}") < began.index("p5")


@pytest.mark.parametrize("server", ["amqp"], indirect=True)
def test_results_come_back_by_rpc(server: Broker, redis_url: str, short_folder: Path) -> None:
    conf = {"result_backend": "rpc://", "result_backend_transport_options": {}}
    with open_shop("prefork", server, redis_url, short_folder, conf=conf) as shop:
        gives_results(shop)


@pytest.mark.parametrize("server", ["redis"], indirect=True)
def test_results_are_kept_in_a_database(server: Broker, redis_url: str, short_folder: Path) -> None:
    """A chord there is waited for by a task of Celery's own, which asks again and again."""
    url = f"db+sqlite:///{short_folder}/results.db"
    conf = {"result_backend": url, "result_backend_transport_options": {}, "result_chord_retry_interval": 0.2}
    with open_shop("threads", server, redis_url, short_folder, conf=conf) as shop:
        gives_results(shop)
        header = group(shop.sig("add", n, n) for n in range(3))
        assert chord(header, shop.sig("total")).apply_async().get(timeout=60) == 6


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_results_are_kept_in_files(server: Broker, redis_url: str, short_folder: Path) -> None:
    (short_folder / "results").mkdir()
    conf = {"result_backend": f"file://{short_folder}/results", "result_backend_transport_options": {}}
    with open_shop("prefork", server, redis_url, short_folder, conf=conf) as shop:
        gives_results(shop)


@pytest.mark.parametrize("server", ["amqp"], indirect=True)
def test_tasks_for_later_come_by_celerys_native_delays(
    server: Broker, redis_url: str, short_folder: Path
) -> None:
    """With quorum queues its clients send them to exchanges that only a worker makes."""
    conf = {
        "task_default_queue_type": "quorum",
        "task_default_exchange_type": "topic",
        "broker_native_delayed_delivery_queue_type": "classic",
    }
    with open_shop("prefork", server, redis_url, short_folder, conf=conf) as shop:
        try:
            assert shop.run("add", 1, 2) == 3
            shop.until_log("native delayed delivery is there")
            before = time.monotonic()
            assert shop.run("add", 2, 2, countdown=2) == 4
            assert time.monotonic() - before >= 1, "whole seconds are what it knows"
        finally:
            forget_delays(shop.client)


def forget_delays(client: Celery[Any]) -> None:
    """The 28 queues and exchanges of Celery's."""
    with client.connection_for_write() as connection, suppress(Exception):
        for level in range(28):
            connection.default_channel.queue_delete(level_name(level))
            connection.default_channel.exchange_delete(level_name(level))
        connection.default_channel.exchange_delete("celery_delayed_delivery")
