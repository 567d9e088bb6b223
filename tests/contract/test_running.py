"""What a worker does with messages, the same in six pools on three brokers: one worker each."""

from __future__ import annotations

import signal
import time
import uuid
from typing import Any

import pytest

from fleet.protocol import Call, Encoded, encode
from fleet.spec import RoutingSpec
from fleet.tasks.routing import from_spec
from fleet.tasks.send_options import SendOptions
from fleet.tasks.sending import send_many
from tests.contract.conftest import on_pools
from tests.contract.harness import APP, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

TAKING_TURNS = ("gevent", "eventlet", "asyncio")


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def test_every_message_runs_once_and_knows_itself(worker: Worker, key: str) -> None:
    sent = {worker.mailbox.send("note", key) for _ in range(20)}
    lines = worker.wrote(key, 20)
    assert {line["id"] for line in lines} == sent
    assert len(lines) == 20
    assert {(line["attempt"], line["queue"], line["task"]) for line in lines} == {
        (1, worker.mailbox.queue.name, f"{APP}.note")
    }


def test_never_more_in_flight_than_concurrency(worker: Worker, key: str) -> None:
    for _ in range(8):
        worker.mailbox.send("nap", key, 0.1)
    lines = worker.wrote(key, 16)
    running = most = 0
    for line in lines:
        running += 1 if line["what"] == "begin" else -1
        most = max(most, running)
    assert most == worker.concurrency


def test_a_task_that_raises_is_retried_then_dead_lettered_with_its_traceback(
    worker: Worker, key: str
) -> None:
    ident = worker.mailbox.send("fail", key)
    death = worker.mailbox.dead(ident)
    assert [line["attempt"] for line in worker.journal(key)] == [1, 2]
    assert death["reason"] == f"ValueError: no luck with {key} (after 1 retries)"
    assert "in fail" in death["traceback"]
    assert "fleet/worker" not in death["traceback"]
    assert death["worker"] == "contract/0"


def test_retry_comes_back_after_its_delay(worker: Worker, key: str) -> None:
    worker.mailbox.send("come_back", key)
    first, second = worker.wrote(key, 2)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert second["at"] - first["at"] >= 0.2


def test_a_tasks_own_policy_goes_before_the_groups(worker: Worker, key: str) -> None:
    ident = worker.mailbox.send("give_up", key)
    assert "no retries" in worker.mailbox.dead(ident)["reason"]
    assert len(worker.journal(key)) == 1


def test_sys_exit_in_a_task_is_a_failure_like_others(worker: Worker, key: str) -> None:
    ident = worker.mailbox.send("leave", key)
    assert worker.mailbox.dead(ident)["reason"].startswith("SystemExit: 3")


def bad_messages() -> dict[str, tuple[Encoded, str]]:
    """Name → a message that can't be run (its id is its name), and words of the reason."""

    def good(name: str, *args: object) -> Encoded:
        return encode(Call(name, f"{APP}.note", args))

    def with_headers(name: str, **headers: object) -> Encoded:
        message = good(name, "x")
        return Encoded(message.body, {**message.headers, **headers}, message.properties)

    plain = good("", "x")
    return {
        "unknown task": (with_headers("", task="no.such.task"), "unknown task 'no.such.task'"),
        "too few arguments": (good(""), "missing a required argument: 'key'"),
        "too many arguments": (good("", "x", "y"), "too many positional arguments"),
        "not JSON": (Encoded(b"{not json", plain.headers, plain.properties), "not valid JSON"),
        "not text": (Encoded(b"\xff\xfe", plain.headers, plain.properties), "not utf-8 text"),
        "not a call": (Encoded(b'{"a": 1}', plain.headers, plain.properties), "[args, kwargs, embed]"),
        "pickle": (
            Encoded(
                b"\x80\x04.", plain.headers, plain.properties, "application/x-python-serialize", "binary"
            ),
            "is not accepted",
        ),
        "strange content type": (
            Encoded(plain.body, plain.headers, plain.properties, "application/x-nothing"),
            "is not accepted",
        ),
        "protocol 1": (
            Encoded(b'{"task": "t", "id": "1", "args": [], "kwargs": {}}', {}, {}),
            "Celery message protocol 1",
        ),
        "strange time limit": (with_headers("", timelimit="soon"), "timelimit"),
        "strange retries": (with_headers("", retries="many"), "retries"),
    }


def test_bad_messages_are_dead_lettered_with_the_reason_and_the_worker_goes_on(
    worker: Worker, key: str
) -> None:
    expected = {}
    for name, (message, words) in bad_messages().items():
        ident = f"{name} {key}"
        worker.mailbox.post(
            Encoded(
                message.body,
                {**message.headers, "id": ident},
                message.properties,
                message.content_type,
                message.content_encoding,
            )
        )
        expected[ident] = words
    for ident, words in expected.items():
        assert words in worker.mailbox.dead(ident)["reason"], ident
    worker.mailbox.send("note", key)
    worker.wrote(key)


def test_expired_messages_are_dropped(worker: Worker, key: str) -> None:
    ident = worker.mailbox.send("note", key, expires=time.time() - 1)
    worker.mailbox.send("note", f"{key}-after")
    worker.wrote(f"{key}-after")
    assert not worker.journal(key)
    assert worker.mailbox.find_dead(ident) is None
    assert "expired" in worker.log()


def send_with(worker: Worker, key: str, **options: Any) -> tuple[str, float]:
    """As `note.options(…).send(key)` does; id and time of sending."""
    mailbox = worker.mailbox
    rules = from_spec(RoutingSpec(mailbox.spec, (mailbox.queue,), ()), worker.folder)
    now = time.time()
    [ident] = send_many(
        f"{APP}.note", [((key,), {})], SendOptions(queue=mailbox.queue.name, **options), rules=rules
    )
    return ident, now


def test_a_delayed_message_runs_when_its_time_has_come(worker: Worker, key: str) -> None:
    ident, sent_at = send_with(worker, key, delay_seconds=1.0, expires_seconds=30.0)
    send_with(worker, f"{key}-now")
    worker.wrote(f"{key}-now")
    assert not worker.journal(key)
    [line] = worker.wrote(key)
    assert (line["id"], line["attempt"]) == (ident, 1)
    assert line["at"] - sent_at >= 0.95


def test_a_message_that_expires_before_it_is_due_never_runs(worker: Worker, key: str) -> None:
    ident, _ = send_with(worker, key, delay_seconds=0.6, expires_seconds=0.3)
    eventually(lambda: f"{ident}] dropped: expired" in worker.log(), within=15)
    assert not worker.journal(key)
    assert worker.mailbox.find_dead(ident) is None


@on_pools("solo", "prefork", *TAKING_TURNS)
def test_the_soft_time_limit_interrupts_the_task(worker: Worker, key: str) -> None:
    worker.mailbox.send("interrupted", key)
    [line] = worker.wrote(key)
    assert line["text"] == "soft time limit 0.3s exceeded"


def test_the_soft_time_limit_interrupts_a_task_that_gives_it_a_chance(worker: Worker, key: str) -> None:
    worker.mailbox.send("interrupted_between_calls", key)
    [line] = worker.wrote(key)
    assert line["text"] == "soft time limit 0.3s exceeded"


@on_pools("prefork", *TAKING_TURNS)
def test_the_hard_time_limit_ends_the_task(worker: Worker, key: str) -> None:
    ident = worker.mailbox.send("endless", key)
    assert "time limit 0.4s exceeded" in worker.mailbox.dead(ident)["reason"]
    shorter = worker.mailbox.send("endless", key, time_limit=0.2)
    assert "time limit 0.2s exceeded" in worker.mailbox.dead(shorter)["reason"]


@on_pools("prefork")
def test_the_message_of_a_crashed_process_runs_again_in_another(worker: Worker, key: str) -> None:
    worker.mailbox.send("crash_once", key)
    worker.wrote(key, what="survived")


@on_pools("prefork")
def test_a_message_that_kills_its_process_is_quarantined(worker: Worker, key: str) -> None:
    ident = worker.mailbox.send("crash", key)
    death = worker.mailbox.dead(ident)
    assert death["exit_signal"] == signal.SIGSEGV
    assert "was killed by SIGSEGV" in death["reason"]
    assert len(worker.journal(key)) == 3  # max_deliveries
