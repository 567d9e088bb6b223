"""What Celery's users do, with Celery's own client: each outcome is what `celery worker` gives."""

from __future__ import annotations

import time
from pathlib import Path

import celery
import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import Ignore, TaskRevokedError
from celery.exceptions import TimeLimitExceeded as HardLimit

from fleet.protocol import Encoded
from tests.celery.conftest import APP, Shop, on, open_shop
from tests.conftest import Broker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


def test_a_result_comes_back(shop: Shop) -> None:
    assert [shop.run("add", n, 1) for n in range(20)] == [n + 1 for n in range(20)]


def test_a_failure_is_stored_with_its_traceback(shop: Shop) -> None:
    result = shop.send("boom", "as said")
    with pytest.raises(ValueError, match="as said"):
        result.get(timeout=30)
    assert result.state == "FAILURE"
    assert "boom" in result.traceback


def test_a_task_of_a_celery_app_is_retried_as_celery_does(shop: Shop) -> None:
    assert shop.run("third_time_lucky") == 2
    with pytest.raises(KeyError):
        shop.run("never_lucky")


def test_groups_chords_chains_and_replacements_give_their_results(shop: Shop) -> None:
    pairs = group(shop.sig("add", n, n) for n in range(6))
    assert pairs.apply_async().get(timeout=30) == [0, 2, 4, 6, 8, 10]
    assert chord(pairs, shop.sig("total")).apply_async().get(timeout=30) == 30
    assert (
        chain(shop.sig("add", 1, 2), shop.sig("add", 3), shop.sig("add", 4)).apply_async().get(timeout=30)
        == 10
    )
    assert shop.run("replaces") == 42
    chord_id = shop.run("sends_a_chord")
    assert shop.client.AsyncResult(chord_id).get(timeout=30) == 6


def test_a_failure_in_a_chord_reaches_its_body(shop: Shop) -> None:
    result = chord(
        [shop.sig("add", 1, 1), shop.sig("boom", "in the header")], shop.sig("total")
    ).apply_async()
    with pytest.raises(Exception, match="in the header"):
        result.get(timeout=30)


def test_a_countdown_is_waited_for_and_a_task_that_comes_too_late_is_revoked(shop: Shop) -> None:
    before = time.monotonic()
    assert shop.run("add", 1, 1, countdown=0.8) == 2
    assert time.monotonic() - before >= 0.7
    late = shop.send("add", 1, 1, countdown=0.8, expires=0.4)
    with pytest.raises(TaskRevokedError):
        late.get(timeout=30)
    assert shop.until_noted("task_revoked", id=late.id)[0]["expired"] is True


def test_the_request_is_what_celery_gives(shop: Shop) -> None:
    result = shop.send("about")
    seen = result.get(timeout=30)
    assert seen["id"] == seen["root_id"] == seen["correlation_id"] == result.id
    assert seen["task"] == f"{APP}.about"
    assert seen["delivery_info"]["exchange"] == ""
    assert seen["delivery_info"]["routing_key"] == shop.mailbox.queue.name
    assert seen["delivery_info"]["redelivered"] is False
    assert seen["hostname"].startswith("contract-0@")
    assert seen["reply_to"]


def test_hooks_of_a_task_class_are_called_around_its_task(shop: Shop) -> None:
    result = shop.send("counted")
    assert result.get(timeout=30) == "counted"
    assert shop.until_noted("before_start", id=result.id)
    assert shop.until_noted("on_success", id=result.id)
    assert shop.until_noted("after_return", id=result.id, status="SUCCESS")


def test_an_unknown_task_fails_and_its_message_is_kept(shop: Shop) -> None:
    result = shop.client.send_task("nobody.knows")
    with pytest.raises(Exception, match=r"nobody\.knows"):
        result.get(timeout=30)
    assert shop.until_noted("task_unknown", id=result.id)
    assert "unknown task" in shop.mailbox.dead(result.id)["reason"]


def test_a_rejected_message_is_requeued_or_dead_lettered_and_an_ignored_one_is_gone(shop: Shop) -> None:
    assert shop.run("requeues_once") == "second time"
    rejected = shop.send("rejects")
    assert "no" in shop.mailbox.dead(rejected.id)["reason"]
    ignored = shop.send("ignores")
    assert shop.run("add", 1, 1) == 2
    eventually(lambda: shop.mailbox.waiting() == 0, within=10, message="nothing left in the queue")
    assert ignored.state == "PENDING"
    assert Ignore


@on(("prefork", "redis"), ("solo", "redis"), ("threads", "redis"), ("gevent", "redis"), ("eventlet", "redis"))
def test_a_soft_limit_is_raised_in_the_task(shop: Shop) -> None:
    if shop.pool == "threads":
        pytest.skip(
            "a thread that sleeps in one call sees it only when that returns; Celery has none at all there"
        )
    assert shop.run("soft", True) == "caught"
    with pytest.raises(Exception, match="SoftTimeLimitExceeded"):
        shop.run("soft", False)


@on(("prefork", "redis"), ("gevent", "redis"), ("eventlet", "redis"), ("prefork", "amqp"))
def test_a_hard_limit_ends_the_task_and_is_recorded(shop: Shop) -> None:
    result = shop.send("hard")
    with pytest.raises(HardLimit):
        result.get(timeout=30)
    if celery.__version__ >= "5.7":  # 5.6 stores it and sends no signal
        assert shop.until_noted("task_failure", id=result.id, error="TimeLimitExceeded")
    assert shop.run("add", 1, 1) == 2


@on(("prefork", "redis"), ("solo", "redis"), ("threads", "redis"))
def test_a_coroutine_task_runs_and_its_result_comes_back(shop: Shop) -> None:
    assert [shop.run("sleeps_and_doubles", n) for n in range(3)] == [0, 2, 4]


@on(("gevent", "redis"), ("eventlet", "redis"))
def test_a_coroutine_in_a_green_pool_fails_with_the_remedy(shop: Shop) -> None:
    with pytest.raises(TypeError, match="prefork, threads or solo"):
        shop.run("sleeps_and_doubles", 1)


@on(("prefork", "redis"), ("gevent", "redis"))
def test_a_task_may_wait_for_another_where_it_says_so(shop: Shop) -> None:
    assert shop.run("waits_inside", "k") == 3
    if shop.pool == "prefork":
        assert "Never call result.get() within a task" in shop.run("asks_inside")


@on(("prefork", "redis"), ("threads", "redis"))
def test_sys_exit_in_a_task_is_its_failure(shop: Shop) -> None:
    with pytest.raises(Exception, match="exitcode 3"):
        shop.run("exits")
    assert shop.run("add", 1, 1) == 2


def test_signals_of_worker_and_processes_are_sent_once_each(shop: Shop) -> None:
    shop.run("add", 1, 1)
    assert len(shop.noted("worker_init")) == len(shop.noted("celeryd_init")) == 1
    processes = {"prefork": 3, "solo": 1}.get(shop.pool, 0)
    assert len({line["pid"] for line in shop.noted("worker_process_init")}) >= processes
    assert bool(shop.noted("worker_process_init")) == bool(processes)


@on(("prefork", "redis"), ("prefork", "amqp"), ("prefork", "sqlite"), ("threads", "redis"))
def test_a_client_that_speaks_protocol_1_gets_its_results(shop: Shop) -> None:
    with Celery("old", set_as_current=False) as old:
        old.conf.update({**shop.client.conf.changes, "task_protocol": 1})
        assert old.send_task(f"{APP}.add", (1, 2)).get(timeout=30) == 3
        assert old.send_task(f"{APP}.add", (), {"x": 1, "y": 3}, countdown=0.2).get(timeout=30) == 4
        with pytest.raises(ValueError, match="as of old"):
            old.send_task(f"{APP}.boom", ("as of old",)).get(timeout=30)
        late = old.send_task(f"{APP}.add", (1, 2), countdown=0.6, expires=0.3)
        with pytest.raises(TaskRevokedError):
            late.get(timeout=30)


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_every_signal_of_tasks_and_workers_is_sent(
    pool: str, broker: Broker, redis_url: str, short_folder: Path
) -> None:
    """In whichever process: docs/celery.md says where."""
    if broker.name != "redis":
        pytest.skip("the broker makes no difference")
    with open_shop(pool, broker, redis_url, short_folder, environment={"CELERY_SHOP_SIGNALS": "1"}) as shop:
        assert shop.run("add", 1, 2) == 3
        assert shop.run("third_time_lucky") == 2
        with pytest.raises(ValueError, match="for its signal"):
            shop.run("boom", "for its signal")
        message = {"task": "tests.celery.shop.add", "id": "odd"}
        shop.mailbox.post(Encoded(b"[1, 2]", message, {}))
        for name, count in {
            "task_received": 5,
            "task_prerun": 5,
            "task_postrun": 5,
            "task_success": 2,
        }.items():
            shop.until_noted(name, count)
        for name in ("task_retry", "task_failure", "task_rejected", "before_task_publish", "worker_ready"):
            shop.until_noted(name)
        shop.until_noted("heartbeat_sent")
        assert shop.noted("after_setup_logger")
        assert not shop.noted("task_internal_error")
        shop.worker.stop()
        shop.until_noted("worker_shutting_down")
        shop.until_noted("worker_shutdown")
        assert len(shop.noted("worker_ready")) == len(shop.noted("worker_shutdown")) == 1
        if pool == "prefork":
            shop.until_noted("worker_process_shutdown")
