"""A process dies: what Celery would have lost runs again, what it would have run twice does not."""

from __future__ import annotations

import pytest
from celery.exceptions import WorkerLostError

from tests.celery.conftest import ON_PREFORK, Shop, on
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


@ON_PREFORK
def test_a_late_task_whose_process_dies_runs_again(shop: Shop) -> None:
    """Celery acknowledges it, and stores a failure (#1628)."""
    result = shop.send("dies_once", "again")
    assert result.get(timeout=30) == "alive"


@ON_PREFORK
def test_an_early_one_does_not_and_its_loss_is_stored(shop: Shop) -> None:
    result = shop.send("dies_early")
    with pytest.raises(WorkerLostError, match="SIGKILL"):
        result.get(timeout=30)
    eventually(lambda: shop.mailbox.waiting() == 0, within=10, message="nothing left in the queue")
    assert shop.mailbox.find_dead(result.id) is None


@on(("prefork", "redis"))
def test_one_that_kills_each_time_is_given_up_and_that_is_stored(shop: Shop) -> None:
    result = shop.send("dies_always")
    with pytest.raises(WorkerLostError, match="max_deliveries"):
        result.get(timeout=60)
    assert "max_deliveries" in shop.mailbox.dead(result.id)["reason"]


@on(("prefork", "redis"))
def test_a_task_may_ask_for_celerys_way(shop: Shop) -> None:
    result = shop.send("dies_and_is_recorded")
    with pytest.raises(WorkerLostError):
        result.get(timeout=30)
    assert shop.mailbox.find_dead(result.id) is None


@on(("prefork", "redis"))
def test_what_had_stored_its_success_does_not_run_again(shop: Shop) -> None:
    result = shop.send("dies_after_its_result", "once")
    assert result.get(timeout=30) == "stored"
    assert shop.run("add", 1, 1) == 2
    eventually(lambda: shop.mailbox.waiting() == 0, within=10, message="nothing left in the queue")
    assert len(shop.noted("dies_after_its_result", key="once")) == 1
    assert result.state == "SUCCESS"
