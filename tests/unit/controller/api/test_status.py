"""What a status tells of queues: who takes from them; and why the page does not run."""

from __future__ import annotations

from typing import Any

from fleet.broker.stats import QueueStats
from fleet.controller.api.status import page_trouble, queue_row
from fleet.supervisor.client import LastExit, Program


def worker(state: str = "ready", *paused: str, error: str | None = None) -> dict[str, Any]:
    return {"state": state, "broker_error": error, "paused_queues": list(paused)}


def group(*workers: dict[str, Any], queues: tuple[str, ...] = ("io",), here: bool = True) -> dict[str, Any]:
    return {"queues": list(queues), "here": here, "workers": list(workers)}


def workers_of(queue: str, *groups: dict[str, Any]) -> int | None:
    # As RabbitMQ says it of a single worker that takes ahead.
    row = queue_row(QueueStats(queue, ready=5, consumers=2), groups)
    assert (row["ready"], row["consumers"]) == (5, 2)
    found: int | None = row["workers"]
    return found


def test_a_worker_that_takes_ahead_is_one_worker() -> None:
    assert workers_of("io", group(worker())) == 1


def test_workers_of_all_groups_of_a_queue_count() -> None:
    both = group(worker(), queues=("images", "io"))
    assert workers_of("io", group(worker(), worker()), both, group(worker(), queues=("mail",))) == 3


def test_who_takes_nothing_just_now_does_not_count() -> None:
    those = (worker("starting"), worker("draining"), worker("ready", "io"), worker(error="refused"))
    assert workers_of("io", group(*those)) == 0


def test_a_queue_of_another_host_has_no_number_and_one_of_nobody_has_none() -> None:
    assert workers_of("io", group(here=False)) is None
    assert workers_of("io", group(queues=("mail",))) == 0


def page(state: str, *log: str) -> Program:
    ended = LastExit(1.0, 75, None, 0.4, log)
    return Program("fleet", "dashboard", state, 0, 1.0, 0.0, 2, 1.0, ended)


def test_a_page_that_can_not_start_is_a_reason_with_its_last_words() -> None:
    said = "the dashboard can't begin: 127.0.0.1:8765: Address already in use"
    [reason] = page_trouble(page("failed", said))
    assert reason == f"the web page does not run: {said} (`fleet logs dashboard`)"
    assert list(page_trouble(page("backoff"))) == ["the web page does not run (`fleet logs dashboard`)"]


def test_a_page_that_runs_or_is_about_to_is_none() -> None:
    assert list(page_trouble(page("running", "of the one before"))) == []
    assert list(page_trouble(page("starting"))) == []
    assert list(page_trouble(None)) == []
