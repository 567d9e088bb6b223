"""Bodies of any size, through every pool and broker: sent, run, retried, delayed, buried, looked at, brought back."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from fleet.broker.dead_letter_browser import DeadLetterBrowser
from fleet.broker.dead_letter_record import DeadLetterRecord
from fleet.broker.open import open_dead_letters
from fleet.spec import RoutingSpec
from fleet.tasks.routing import from_spec
from fleet.tasks.send_options import SendOptions
from fleet.tasks.sending import send_many
from tests.contract.harness import APP, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

MEGABYTE = 1_000_000
SIZES = (0, 65_536, 250_000, MEGABYTE, 5 * MEGABYTE, 20 * MEGABYTE)
LARGE = SIZES[-1]


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def text(size: int) -> str:
    return ("x" * size)[:-4] + "last"[: min(size, 4)]


def send(worker: Worker, task: str, *args: Any, **options: Any) -> str:
    """As `task.options(…).send(*args)` does."""
    mailbox = worker.mailbox
    rules = from_spec(RoutingSpec(mailbox.spec, (mailbox.queue,), ()), worker.folder)
    chosen = SendOptions(queue=mailbox.queue.name, **options)
    [ident] = send_many(f"{APP}.{task}", [(args, {})], chosen, rules=rules)
    return ident


def test_bodies_of_all_sizes_at_once_with_short_ones_between(worker: Worker, key: str) -> None:
    expected: list[int] = []
    for size in (*SIZES, *reversed(SIZES[3:])):
        send(worker, "weigh", key, text(size))
        worker.mailbox.send("note", f"{key}-short")
        expected.append(size)
    lines = worker.wrote(key, len(expected), within=90)
    assert sorted(line["size"] for line in lines) == sorted(expected)
    assert {line["end"][-4:] for line in lines} == {"last", ""}
    assert len(worker.wrote(f"{key}-short", len(expected))) == len(expected)


def test_a_large_one_is_retried_and_delayed(worker: Worker, key: str) -> None:
    worker.mailbox.send("weigh", key, text(LARGE), True)
    send(worker, "weigh", f"{key}-later", text(LARGE), delay_seconds=0.5)
    lines = worker.wrote(key, 2, within=90)
    assert [(line["attempt"], line["size"]) for line in lines] == [(1, LARGE), (2, LARGE)]
    [later] = worker.wrote(f"{key}-later", within=90)
    assert later["size"] == LARGE


def test_large_dead_letters_are_shown_and_brought_back(worker: Worker, key: str) -> None:
    with worker.mailbox.dead_untouched() as dead_letter:
        sent = {send(worker, "weigh_and_fail", key, text(size)): size for size in (MEGABYTE, LARGE)}
        graves = open_dead_letters(worker.mailbox.spec)
        assert graves is not None
        browser = DeadLetterBrowser(graves, [dead_letter], [worker.mailbox.queue])

        def found() -> list[DeadLetterRecord]:
            return browser.look(lambda each: each.id in sent, 10)

        eventually(lambda: len(found()) == len(sent), within=90, message="both are dead")
        assert {each.id: len((each.args or [""] * 2)[1]) for each in found()} == sent
        assert {each.reason for each in found()} == {
            f"ValueError: no luck with {size} characters (no retries)" for size in sent.values()
        }
        assert sum(moved for moved, _ in browser.bring_back(lambda each: each.id in sent)) == len(sent)
        lines = worker.wrote(key, 2 * len(sent), within=90)
        assert sorted(line["size"] for line in lines) == sorted(2 * list(sent.values()))
        eventually(lambda: len(found()) == len(sent), within=90, message="dead again")
        assert sum(browser.drop(lambda each: each.id in sent)) == len(sent)
        graves.close()


def test_after_all_that_the_same_worker_works(worker: Worker, key: str) -> None:
    worker.mailbox.send("note", key)
    worker.wrote(key)
    assert worker.process is not None
    assert worker.process.poll() is None
    assert "broker:" not in worker.log(), "no connection was cut"
