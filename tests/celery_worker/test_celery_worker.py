"""Celery's own worker, in three of its pools, on `fleet-redis://` and `sqlite:///`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

import fleet.kombu  # noqa: F401
from tests.brokers import OwnRedis
from tests.celery_worker.environment import CantInstall, python
from tests.celery_worker.worker import CONCURRENCY, CeleryShop
from tests.conftest import Broker, make_broker
from tests.support import eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

_LEASE_SECONDS = 4.0


@pytest.fixture(scope="session")
def celery_python() -> str:
    try:
        return python()
    except CantInstall as error:
        if os.environ.get("CI"):
            pytest.fail(f"Celery can't be installed: {error}")
        pytest.skip(f"Celery can't be installed: {error}")


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.fixture(params=["prefork", "threads", "gevent"])
def shop(
    request: pytest.FixtureRequest, celery_python: str, broker: Broker, redis_url: str, tmp_path: Path
) -> Iterator[CeleryShop]:
    options = {"lease_seconds": _LEASE_SECONDS}
    if broker.name == "redis":
        options["global_keyprefix"] = f"{broker.token}:"
    settings = {
        "broker": broker.url.replace("redis://", "fleet-redis://"),
        "backend": redis_url,
        "options": options,
        "token": f"{broker.token}:",
        "queue": broker.queue(),
    }
    shop = CeleryShop(celery_python, tmp_path, settings, request.param)
    yield shop
    shop.stop()
    Broker("redis", redis_url, broker.token).clean()  # the results


def in_queue(shop: CeleryShop) -> tuple[int, int]:
    """(ready, held by somebody)."""
    with kombu.Connection(shop.settings["broker"], transport_options=shop.settings["options"]) as connection:
        connection.connect()
        stats = connection.transport.store.stats(shop.settings["queue"])
    return stats.ready + stats.delayed, stats.claimed


def troubles(shop: CeleryShop) -> list[str]:
    """Lines of the worker's log that tell of a fault."""
    return [line for line in shop.words().splitlines() if re.search(r"ERROR|CRITICAL|Traceback", line)]


def test_celerys_worker_does_all_that_its_users_do_on_our_transports(shop: CeleryShop) -> None:
    shop.start()
    seen = shop.ask("everything")
    assert seen["sums"] == [number + 1 for number in range(150)]
    assert seen["group"] == [2 * number for number in range(20)]
    assert seen["chord"] == 380
    assert seen["retries"] == 2
    assert seen["priorities"] == [2, 2, 2]
    assert seen["waited"] >= 0, "an eta is not early"
    [ping] = seen["ping"]
    assert list(ping.values()) == [{"ok": "pong"}]
    [stats] = seen["stats"]
    assert shop.pool.removesuffix("s") in stats["pool"]["implementation"]
    assert seen["queues"] == [shop.settings["queue"]]
    eventually(lambda: in_queue(shop) == (0, 0), 30, "all is acknowledged")
    assert troubles(shop) == []


def is_in_the_middle(shop: CeleryShop) -> bool:
    journal = shop.journal()
    began, ended = (sum(line.startswith(word) for line in journal) for word in ("began", "ended"))
    return ended >= 8 and began == 8 + CONCURRENCY


def test_nothing_is_lost_when_the_worker_is_killed(shop: CeleryShop) -> None:
    worker = shop.start()
    count = shop.ask("send_slow")
    eventually(lambda: is_in_the_middle(shop), 60, "some are done and some are under way")
    shop.kill(worker)
    shop.open_gate()
    shop.start()
    everything = {f"ended {number}" for number in range(count)}
    eventually(lambda: everything <= set(shop.journal()), 90, "each task is done")
    eventually(lambda: in_queue(shop) == (0, 0), 30, "all is acknowledged")
    assert troubles(shop) == []


def test_a_warm_shutdown_ends_what_runs_and_leaves_the_rest(shop: CeleryShop) -> None:
    """What Celery acknowledges is gone.

    Its prefork pool runs more than that: when it is closed it forgets a task that it has given to a process and
    whose beginning it has not read yet (celery 5.7, AsynPool.flush), on any broker.
    """
    worker = shop.start()
    count = shop.ask("send_slow")
    eventually(lambda: is_in_the_middle(shop), 60, "some are done and some are under way")
    worker.terminate()
    eventually(lambda: "Warm shutdown" in shop.words(), 60)
    shop.open_gate()
    worker.wait(60)
    journal = shop.journal()
    began, ended, acknowledged = (
        sum(line.startswith(word) for line in journal) for word in ("began", "ended", "acknowledged")
    )
    assert began == ended, "what began has ended"
    assert len(set(journal)) == len(journal), "and nothing twice"
    assert ended - (CONCURRENCY if shop.pool == "prefork" else 0) <= acknowledged <= ended
    assert in_queue(shop) == (count - acknowledged, 0), "the rest is ready for others at once"
    assert troubles(shop) == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_worker_goes_on_after_its_redis_was_away(
    celery_python: str, own_redis: OwnRedis, redis_url: str, tmp_path: Path, pool: str
) -> None:
    token = unique()
    settings = {
        "broker": own_redis.url.replace("redis://", "fleet-redis://"),
        "backend": redis_url,
        "options": {"lease_seconds": _LEASE_SECONDS},
        "token": f"{token}:",
        "queue": f"{token}.q",
    }
    shop = CeleryShop(celery_python, tmp_path, settings, pool)
    try:
        worker = shop.start()
        assert shop.ask("one") == 3
        for _ in range(2):
            own_redis.stop()
            own_redis.start()
            assert shop.ask("one") == 3
        assert worker.poll() is None
        [ping] = shop.ask("ping")
        assert list(ping.values()) == [{"ok": "pong"}], "its control queue is declared again"
    finally:
        shop.stop()
        Broker("redis", redis_url, token).clean()
