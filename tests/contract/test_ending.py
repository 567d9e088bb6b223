"""How a worker ends, and what becomes of its messages: the same in six pools on three brokers."""

from __future__ import annotations

import signal
import uuid

import pytest

from fleet.broker.leases import release_owner
from tests.contract.harness import Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


def test_sigterm_finishes_what_runs_and_gives_back_the_rest(ending_worker: Worker) -> None:
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    sent = {mailbox.send("nap", key, 1.0) for _ in range(10)}
    worker.wrote(key, worker.concurrency, what="begin")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    worker.assert_nothing_left()
    begun = [line["id"] for line in worker.journal(key) if line["what"] == "begin"]
    ended = [line["id"] for line in worker.journal(key) if line["what"] == "end"]
    assert sorted(begun) == sorted(ended)
    assert len(ended) == worker.concurrency
    assert sorted(mailbox.take_all()) == sorted(sent - set(ended))


def test_what_exceeds_the_grace_period_goes_back(ending_worker: Worker) -> None:
    ending_worker.settings["grace_period_seconds"] = 0.5
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    ident = mailbox.send("nap", key, 60.0)
    worker.wrote(key, what="begin")
    worker.note_children()
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    worker.assert_nothing_left()
    back(worker)
    assert mailbox.take_attempts() == {ident: 2}  # it has started, so it counts


def test_what_has_not_started_goes_back_before_the_drain_is_over(ending_worker: Worker) -> None:
    if ending_worker.pool == "eventlet":
        pytest.skip("does as gevent")
    ending_worker.settings["prefetch"] = 10
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    sent = {mailbox.send("nap", key, 4.0) for _ in range(10)}
    begun = {line["id"] for line in worker.wrote(key, worker.concurrency, what="begin")}
    worker.signal(signal.SIGTERM)
    eventually(lambda: "draining:" in worker.log())
    assert mailbox.take_attempts().keys() == sent - begun
    assert worker.process is not None
    assert worker.process.poll() is None, "it is still at work"
    assert worker.wait() == 0
    assert {line["id"] for line in worker.journal(key) if line["what"] == "end"} == begun
    assert mailbox.take_all() == []


def test_a_task_that_lets_nobody_else_run_cannot_hang_the_drain(ending_worker: Worker) -> None:
    if ending_worker.pool == "eventlet":
        pytest.skip("does as gevent")
    ending_worker.settings.update(grace_period_seconds=0.5, concurrency=1)
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    ident = mailbox.send("spin", key, 90.0)
    worker.wrote(key, what="begin")
    worker.note_children()
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    worker.assert_nothing_left()
    back(worker)
    assert mailbox.take_attempts() == {ident: 2}


def test_a_killed_worker_loses_nothing(ending_worker: Worker) -> None:
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    sent = {mailbox.send("nap", key, 60.0) for _ in range(5)}
    worker.wrote(key, worker.concurrency, what="begin")
    worker.note_children()
    worker.signal(signal.SIGKILL)
    worker.wait()
    worker.assert_nothing_left()
    back(worker)
    assert set(mailbox.take_all()) == sent


def back(worker: Worker) -> None:
    """What the controller does on brokers that don't see a death by themselves."""
    release_owner(worker.mailbox.spec, worker.identity)
