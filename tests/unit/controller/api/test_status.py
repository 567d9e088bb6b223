"""What a status tells of queues: who takes from them."""

from __future__ import annotations

from typing import Any

from fleet.broker.stats import QueueStats
from fleet.controller.api.status import queue_row


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
