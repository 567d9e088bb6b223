"""Celery's remote control and events, asked by Celery's own client: the worker answers while tasks run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError, Terminated

from tests.celery.conftest import APP, Shop, on, open_shop
from tests.conftest import Broker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

EACH_KIND = on(
    ("prefork", "redis"), ("threads", "redis"), ("gevent", "redis"), ("solo", "redis"), ("prefork", "amqp")
)
NODE = "contract-0@"


def answer(shop: Shop, command: str, *arguments: Any) -> Any:
    """What the one worker says to `inspect COMMAND`."""

    def asked() -> Any:
        replies = getattr(shop.client.control.inspect(timeout=5, limit=1), command)(*arguments)
        return list((replies or {}).values())

    [reply] = eventually(asked, within=30, message=f"an answer to {command}\n{shop.worker.log()[-3000:]}")
    return reply


def open_mailbox(shop: Shop) -> None:
    """Wait until remote control is there: it comes up beside the worker, not before it."""

    def is_there() -> bool:
        return bool(shop.client.control.ping(timeout=1, limit=1))

    eventually(is_there, within=30, message=f"a mailbox\n{shop.worker.log()[-3000:]}")


def told(shop: Shop, command: str, *arguments: Any, **options: Any) -> Any:
    """The one reply to a control command."""
    [reply] = getattr(shop.client.control, command)(*arguments, reply=True, timeout=5, limit=1, **options)
    [words] = reply.values()
    return words


@EACH_KIND
def test_the_worker_answers_remote_control_while_tasks_run(shop: Shop) -> None:
    open_mailbox(shop)
    running = shop.send("late", "answers", 3.0)
    shop.until_noted("late began", key="answers")
    assert answer(shop, "ping") == {"ok": "pong"}
    [active] = answer(shop, "active")
    assert (active["id"], active["name"], active["args"]) == (running.id, f"{APP}.late", ["answers", 3.0])
    assert active["worker_pid"] == shop.noted("late began", key="answers")[0]["pid"]
    assert active["acknowledged"] is False
    assert answer(shop, "query_task", running.id)[running.id][0] == "active"
    assert running.get(timeout=30) == "answers"


@on(("prefork", "redis"))
def test_inspecting_a_worker_tells_its_pool_queues_and_tasks(shop: Shop) -> None:
    open_mailbox(shop)
    shop.run("add", 1, 1)
    stats = answer(shop, "stats")
    assert stats["pool"]["max-concurrency"] == 3
    assert stats["pid"] == shop.worker.pid
    # Its result was there before its worker counted it.
    eventually(lambda: answer(shop, "stats")["total"].get(f"{APP}.add", 0) >= 1, message="it is counted")
    assert [queue["name"] for queue in answer(shop, "active_queues")] == [shop.mailbox.queue.name]
    assert f"{APP}.add" in answer(shop, "registered")
    assert answer(shop, "conf")["task_default_queue"] == shop.mailbox.queue.name
    assert answer(shop, "clock")["clock"] > 0
    assert "software -> celery" in answer(shop, "report")["ok"]


@EACH_KIND
def test_a_task_that_waits_is_revoked(shop: Shop) -> None:
    open_mailbox(shop)
    for number in range(shop.worker.concurrency):
        shop.send("late", f"fills{number}", 1.0)
    shop.until_noted("late began", key="fills0")
    result = shop.send("late", "revoked")
    told(shop, "revoke", result.id)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)
    assert result.id in answer(shop, "revoked")
    eventually(lambda: shop.noted("task_revoked", id=result.id), within=15, message="the signal")
    assert not shop.noted("late began", key="revoked")


@on(("prefork", "redis"), ("gevent", "redis"), ("eventlet", "redis"))
def test_a_task_that_runs_is_terminated(shop: Shop) -> None:
    open_mailbox(shop)
    result = shop.send("late", "terminated", 60.0)
    shop.until_noted("late began", key="terminated")
    assert "terminate" in told(shop, "terminate", result.id)["ok"]
    with pytest.raises((TaskRevokedError, Terminated)):
        result.get(timeout=30)
    assert shop.until_noted("task_revoked", id=result.id)[0]["terminated"] is True
    assert shop.run("add", 1, 1) == 2
    assert not shop.noted("late ended", key="terminated")


@on(("prefork", "redis"))
def test_a_task_whose_stamp_was_revoked_does_not_run_and_others_do(shop: Shop) -> None:
    open_mailbox(shop)
    shop.client.control.revoke_by_stamped_headers({"customer": ["c7"]}, reply=True, timeout=5, limit=1)

    def is_revoked() -> bool:
        stamped = shop.sig("add", 1, 1)
        stamped.stamp(customer="c7")
        try:
            stamped.apply_async().get(timeout=30)
        except TaskRevokedError:
            return True
        return False

    eventually(is_revoked, within=20)  # the desk has replied; the worker's loop hears of it a moment later
    other = shop.sig("add", 1, 1)
    other.stamp(customer="c8")
    assert other.apply_async().get(timeout=30) == 2


@on(("prefork", "redis"))
def test_a_rate_limit_is_kept_and_hoards_nothing(shop: Shop) -> None:
    open_mailbox(shop)
    name = f"{APP}.counted"
    assert "ok" in told(shop, "rate_limit", name, "5/s")
    results = [shop.send("counted") for _ in range(6)]
    for result in results:
        assert result.get(timeout=30) == "counted"
    began = sorted(
        line["at"] for result in results for line in shop.until_noted("before_start", id=result.id)
    )
    assert began[-1] - began[0] >= 0.9
    told(shop, "rate_limit", name, 0)


@on(("prefork", "redis"))
def test_the_pool_grows_and_shrinks(shop: Shop) -> None:
    open_mailbox(shop)
    told(shop, "pool_grow", 1)
    eventually(lambda: answer(shop, "stats")["pool"]["max-concurrency"] == 4, within=15, message="four")
    told(shop, "pool_shrink", 1)
    eventually(lambda: answer(shop, "stats")["pool"]["max-concurrency"] == 3, within=15, message="three")


@on(("prefork", "redis"), ("threads", "redis"))
def test_a_queue_is_no_longer_consumed_and_then_is_again(shop: Shop) -> None:
    open_mailbox(shop)
    queue = shop.mailbox.queue.name
    told(shop, "cancel_consumer", queue)
    eventually(lambda: answer(shop, "active_queues") == [], within=15, message="none")
    result = shop.send("add", 1, 1)
    told(shop, "add_consumer", queue)
    assert result.get(timeout=30) == 2


@on(("prefork", "redis"), ("prefork", "amqp"))
def test_nonsense_by_remote_control_harms_nobody(shop: Shop) -> None:
    open_mailbox(shop)
    shop.client.control.broadcast("no_such_command", arguments={"a": 1})
    shop.client.control.broadcast("rate_limit", arguments={"task_name": {}, "rate_limit": []})
    shop.client.control.broadcast("revoke", arguments={"nonsense": True})
    assert answer(shop, "ping") == {"ok": "pong"}
    assert shop.run("add", 1, 1) == 2


@contextmanager
def listening(shop: Shop) -> Iterator[list[dict[str, Any]]]:
    """The events that are sent meanwhile, by Celery's own receiver."""
    seen: list[dict[str, Any]] = []
    over = threading.Event()

    def listen() -> None:
        with shop.client.connection_for_read() as connection:
            receiver = shop.client.events.Receiver(connection, handlers={"*": seen.append})
            while not over.is_set():
                try:
                    receiver.capture(limit=None, timeout=0.5, wakeup=False)
                except TimeoutError:
                    continue

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(5)


@on(("prefork", "redis"), ("threads", "redis"), ("prefork", "amqp"))
def test_events_tell_of_each_step_of_a_task_once_they_are_enabled(shop: Shop) -> None:
    open_mailbox(shop)
    told(shop, "enable_events")

    def kinds(ident: str) -> list[str]:
        return [event["type"] for event in seen if event.get("uuid") == ident]

    with listening(shop) as seen:
        eventually(
            lambda: any(e["type"] == "worker-heartbeat" for e in seen), within=15, message="a heartbeat"
        )
        good, bad = shop.send("add", 20, 22), shop.send("boom", "for events")
        eventually(lambda: "task-succeeded" in kinds(good.id), within=15, message=f"success in {seen}")
        eventually(lambda: "task-failed" in kinds(bad.id), within=15, message=f"failure in {seen}")
    assert kinds(good.id) == ["task-received", "task-started", "task-succeeded"]
    [success] = [
        event for event in seen if event.get("uuid") == good.id and event["type"] == "task-succeeded"
    ]
    assert (success["result"], success["hostname"].startswith(NODE)) == ("42", True)
    [failure] = [event for event in seen if event.get("uuid") == bad.id and event["type"] == "task-failed"]
    assert "for events" in failure["exception"]
    told(shop, "disable_events")


def test_a_restart_forgets_no_revocation(broker: Broker, redis_url: str, short_folder: Path) -> None:
    """Celery's worker does, without a statedb (#4300)."""
    if broker.name != "redis":
        pytest.skip("the broker makes no difference")
    with open_shop("prefork", broker, redis_url, short_folder, concurrency=1) as shop:
        open_mailbox(shop)
        result = shop.send("late", "much later", countdown=8.0)
        told(shop, "revoke", result.id)
        shop.worker.stop()
        shop.worker.start()
        open_mailbox(shop)
        assert result.id in answer(shop, "revoked")
        with pytest.raises(TaskRevokedError):
            result.get(timeout=30)
        eventually(lambda: shop.noted("task_revoked", id=result.id), within=20, message="the signal")
        assert not shop.noted("late began", key="much later")


@on(
    ("prefork", "redis"),
    ("threads", "redis"),
    ("prefork", "sqlite"),
    ("prefork", "amqp"),
    ("threads", "amqp"),
)
def test_what_is_scheduled_waits_in_the_broker_and_is_seen(shop: Shop) -> None:
    open_mailbox(shop)
    result = shop.send("add", 1, 1, countdown=300)

    def seen() -> Any:
        return [each for each in answer(shop, "scheduled") if each["request"]["id"] == result.id]

    [scheduled] = eventually(seen, within=15, message="it in the list")
    assert scheduled["request"]["args"] == [1, 1]
    told(shop, "revoke", result.id)
