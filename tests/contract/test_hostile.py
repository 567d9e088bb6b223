"""No bytes end a worker, keep a slot of it, cut its connection or stop its queue: in every pool, on every broker."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from fleet.broker.rabbitmq import frames
from fleet.protocol import Call, Encoded, encode
from tests.contract.harness import APP, Worker
from tests.contract.hostile import HUGE, LONG, WAYS, Batch, deep
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

MESSAGES = 25  # at once, four times: some 1,500 in all, in half a minute


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def _most_at_once(worker: Worker) -> int:
    key = uuid.uuid4().hex
    for _ in range(worker.concurrency):
        worker.mailbox.send("nap", key, 0.2)
    lines = worker.wrote(key, 2 * worker.concurrency, within=60)
    running = most = 0
    for line in lines:
        running += 1 if line["what"] == "begin" else -1
        most = max(most, running)
    return most


def assert_all_slots_work(worker: Worker) -> None:
    """And in the same process, which has never lost its connection."""
    # On a busy machine one may have ended before another begins.
    eventually(lambda: _most_at_once(worker) == worker.concurrency, within=60, message="a slot is gone")
    assert worker.process is not None
    assert worker.process.poll() is None, worker.log()[-3000:]
    assert worker.log().count("ready:") == 1
    assert "broker:" not in worker.log(), worker.log()[-3000:]
    eventually(lambda: worker.mailbox.waiting() == 0, within=30, message="nothing is left in the queue")


@settings(
    max_examples=4,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(some.data())
def test_after_whatever_came_a_good_message_is_done_by_the_same_worker(
    worker: Worker, data: some.DataObject
) -> None:
    strategy, post = WAYS[worker.mailbox.broker_name]
    found = data.draw(some.lists(strategy, min_size=MESSAGES, max_size=MESSAGES).map(Batch))
    post(worker.mailbox.spec, worker.mailbox.queue.name, found)
    assert_all_slots_work(worker)


def with_headers(**headers: Any) -> Encoded:
    message = encode(Call("x", f"{APP}.note", ("hostile",)))
    return message._replace(headers={**message.headers, **headers})


def with_body(body: bytes, encoding: str = "utf-8", **headers: Any) -> Encoded:
    return with_headers(**headers)._replace(body=body, content_encoding=encoding)


BOMB = b'[["' + b"x" * 300_000_000 + b'"], {}, null]'
# Where a field can hold it: name → the message, and words of the reason.
ODD: dict[str, tuple[Encoded, str]] = {
    "a task name of 70 kB": (with_headers(task=LONG), "unknown task 'nnnn"),
    "an id of 60 kB": (with_headers(task="no", argsrepr=LONG[:60_000]), "unknown task 'no'"),
    "a negative limit": (with_headers(timelimit=[-1, None]), "timelimit"),
    "a limit that is true": (with_headers(timelimit=[True, None]), "timelimit"),
    "retries without end": (with_headers(retries=2**40), "retries"),
    "retries that are true": (with_headers(retries=True), "retries"),
    "an eta that is a number": (with_headers(eta=5), "eta"),
    "an expiry that is a list": (with_headers(expires=[1]), "expires"),
    "a deep body": (with_body(b"[" * 200_000), "not valid JSON"),
    "a number of 5,000 digits": (with_body(b"[[" + b"9" * 5000 + b"], {}, null]"), "not valid JSON"),
    "an encoding that takes for ever": (with_body(b"x" * 200_000, "punycode"), "content encoding"),
    "a compression that is a list": (with_headers(compression=[1]), "compression"),
    "a zlib bomb": (with_body(zlib.compress(BOMB), compression="gzip"), "max_message_size"),
    "a gzip bomb": (with_body(gzip.compress(BOMB), compression="application/x-gzip"), "max_message_size"),
    "deep headers": (with_headers(task="no", deep=deep(150)), "unknown task 'no'"),
}
# What only JSON has a way to say.
BEYOND_AMQP = {
    "a limit that is no number": (with_headers(timelimit=[float("nan"), None]), "timelimit"),
    "a limit of 10^400": (with_headers(task="no", timelimit=[HUGE, HUGE]), "unknown task 'no'"),
    "retries of 10^400": (with_headers(retries=HUGE), "retries"),
    "crashes of 10^400": (with_headers(**{"x-fleet-crashes": HUGE}), "handed out"),
}
del BOMB


def test_odd_messages_are_dead_lettered_with_the_reason(worker: Worker, key: str) -> None:
    cases = ODD if worker.mailbox.broker_name == "amqp" else {**ODD, **BEYOND_AMQP}
    for name, (message, _) in cases.items():
        worker.mailbox.post(message._replace(headers={**message.headers, "id": f"{name} {key}"}))
    for name, (_, words) in cases.items():
        death = worker.mailbox.dead(f"{name} {key}", within=60)
        assert words in death["reason"], name
        assert len(death["reason"]) <= 1000, name
    assert_all_slots_work(worker)


def filled(task: str, ident: str, room: int) -> Encoded:
    """A call whose headers leave that many bytes of a frame on AMQP; elsewhere they are nothing special."""
    message = encode(Call(ident, task if "." in task else f"{APP}.{task}", (ident,)))
    headers = {**message.headers, "note": ""}
    size = len(frames._properties(message._replace(headers=headers))[1])
    return message._replace(headers={**headers, "note": "n" * (131_072 - 8 - 14 - room - size)})


def test_headers_that_all_but_fill_a_frame(worker: Worker, key: str) -> None:
    """Ours must go on top of them: for a retry, and for the dead-letter queue."""
    rooms = (0, 20, 60, 300, 5000)
    for room in rooms:
        for task in ("come_back", "fail", "no.such.task"):
            worker.mailbox.post(filled(task, f"{task} {room} {key}", room))
    for room in rooms:
        for task in ("fail", "no.such.task"):
            death = worker.mailbox.dead(f"{task} {room} {key}", within=60)
            assert death["queue"] == worker.mailbox.queue.name
        worker.wrote(f"come_back {room} {key}")
    assert_all_slots_work(worker)


def test_exceptions_as_nobody_should_raise_them(worker: Worker, key: str) -> None:
    tasks = ("retry_never", "retry_oddly", "raise_oddly", "raise_surrogates")
    sent = [worker.mailbox.send(task, key) for task in tasks]
    for ident in sent:
        death = worker.mailbox.dead(ident, within=60)
        assert death["reason"]
        # What is put aside can be looked at: all that is written is text.
        json.dumps(death, ensure_ascii=False).encode()
    assert_all_slots_work(worker)
