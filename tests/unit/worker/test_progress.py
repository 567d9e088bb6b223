"""Work that could get on and does not; what came back because a connection was lost."""

from __future__ import annotations

from typing import Any, cast

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.outcome import Outcome
from fleet.worker.progress import IDLE_SLOT_SECONDS, WARN_SECONDS, Notice, Work, news, stuck
from fleet.worker.quarantine import is_given_up, must_run_alone
from fleet.worker.returning import Returning
from tests.unit.worker.rehearsal import Pool, make

FINE = Work(is_working=True, waits=0, has_room=True, is_held_up=False, runs=1, changed_at=0.0)
LATE = IDLE_SLOT_SECONDS + 1


def test_what_waits_beside_a_free_slot_is_stuck_after_a_minute() -> None:
    waits = FINE._replace(waits=3)
    assert stuck(IDLE_SLOT_SECONDS - 1, waits) is None
    assert "3 wait in it" in (stuck(LATE, waits) or "")
    for fine in (
        waits._replace(has_room=False),
        waits._replace(is_working=False),
        waits._replace(is_held_up=True),
    ):
        assert stuck(LATE, fine) is None


def test_a_task_may_run_for_ever() -> None:
    assert stuck(1e6, FINE) is None
    assert stuck(1e6, FINE._replace(is_held_up=True, waits=5)) is None


def test_who_keeps_all_waiting_for_nothing_is_stuck() -> None:
    assert "kept everything waiting" in (stuck(LATE, FINE._replace(is_held_up=True, runs=0)) or "")


def test_news_are_told_for_a_while_and_as_long_as_what_they_are_about_runs() -> None:
    notice = Notice(100.0, "held too long")
    assert news(100.0, None, None) == ()
    assert news(101.0, notice, None) == ("held too long",)
    assert news(101.0 + WARN_SECONDS, notice, None) == ()
    assert news(101.0 + WARN_SECONDS, notice, 99.0) == ("held too long",)
    assert news(101.0 + WARN_SECONDS, notice, 500.0) == ()


def message(tag: int, *, attempt: int = 1, ident: str = "a", **more: Any) -> Delivery:
    headers = {"id": ident, "task": "t", **more}
    return Delivery(tag, "q", b"", headers, attempt=attempt, redelivered=attempt > 1)


def test_what_still_runs_is_recognised_and_settled_by_its_new_delivery() -> None:
    returning, running = Returning(), message(1)
    returning.lost([running])
    again = message(9, attempt=2)
    again.generation = 2
    assert returning.take(again) == (running, None)
    assert (running.tag, running.generation, running.attempt) == (9, 2, 1)


def test_what_ended_while_nobody_could_be_told_is_settled_when_it_comes_back_and_only_then() -> None:
    returning, running = Returning(), message(1)
    returning.lost([running])
    returning.ended(running, Outcome("succeeded"), unheard=True)
    assert returning.take(message(3, attempt=2, ident="b")) is None
    assert returning.take(message(3)) is None, "the same call, sent once more"
    assert returning.take(message(3, attempt=2, retries=1)) is None, "its retry"
    assert returning.take(message(3, attempt=2)) == (running, Outcome("succeeded"))
    assert returning.take(message(4, attempt=2)) is None


def test_what_ended_and_was_told_is_not_known_any_more() -> None:
    returning, running = Returning(), message(1)
    returning.lost([running])
    returning.ended(running, Outcome("succeeded"), unheard=False)
    assert returning.take(message(3, attempt=2)) is None


def spec(pool: str, most: int) -> WorkerSpec:
    return WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), pool, 3, max_deliveries=most)


def test_the_last_delivery_runs_alone_and_the_first_of_one_has_a_second() -> None:
    assert must_run_alone(message(1, attempt=2), spec("threads", 1))
    assert not must_run_alone(message(1), spec("threads", 1))
    assert is_given_up(message(1, attempt=3), spec("threads", 1))
    assert not is_given_up(message(1, attempt=2), spec("threads", 1))


def test_in_prefork_only_what_the_broker_has_counted_is_suspected() -> None:
    by_processes = message(1, **{"x-fleet-crashes": 1})
    assert not must_run_alone(by_processes, spec("prefork", 2))
    assert must_run_alone(message(1, attempt=2), spec("prefork", 2))
    assert is_given_up(message(1, **{"x-fleet-crashes": 1}), spec("prefork", 1))


def test_what_was_set_aside_gets_its_run_alone_whatever_was_counted_before() -> None:
    suspect = message(1, **{"x-fleet-crashes": 7})
    suspect.alone = True
    assert must_run_alone(suspect, spec("threads", 2))
    assert not is_given_up(suspect, spec("threads", 2))
    suspect.attempt = 2
    assert is_given_up(suspect, spec("threads", 2))


def test_a_last_chance_goes_back_uncounted_while_anything_runs() -> None:
    running, last_chance, beside = message(0), message(1, attempt=5, ident="b"), message(2, ident="c")
    consumer, broker = make("late", [running])
    pool = Pool()
    consumer._turn(cast("Any", pool))
    broker.deliveries = [last_chance, beside]
    consumer._turn(cast("Any", pool))
    assert pool.submitted == [running]
    assert broker.given_back == [(last_chance, False), (beside, False)]
    assert not broker.consuming
    consumer.done(running, Outcome("succeeded"))
    consumer._turn(cast("Any", pool))
    assert broker.consuming


def test_acks_go_out_before_a_suspect_begins() -> None:
    """Else its death would be counted for what has ended as well."""
    first, second = message(0), message(1, attempt=5, ident="b")
    consumer, broker = make("late", [first])
    pool = Pool()
    consumer._turn(cast("Any", pool))
    unflushed: list[int] = []
    pool.after_submit = lambda: unflushed.append(broker.unflushed)
    consumer.done(first, Outcome("succeeded"))
    broker.deliveries = [second]
    consumer._settler.policy_of(first)
    consumer._work(cast("Any", pool))
    consumer._workload.take(broker.receive(0.0))
    consumer._work(cast("Any", pool))
    assert pool.submitted == [first, second]
    assert unflushed == [0]


class Losing(Pool):
    """It has nobody at what it was given."""

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        return [(each, "its thread has ended") for each in old]


def test_a_lost_slot_counts_as_a_death_and_is_told_but_not_at_first_sight() -> None:
    lost = message(0)
    consumer, broker = make("late", [lost])
    put_back: list[Delivery] = []
    broker.retry = lambda delivery, _delay, _retries: put_back.append(delivery)  # type: ignore[method-assign]
    pool = Losing()
    consumer._turn(cast("Any", pool))
    consumer._workload.in_flight[lost] -= 1000
    for expected in (None, "t[a] was lost: its thread has ended"):
        consumer._look_for_lost_at = 0.0
        consumer._turn(cast("Any", pool))
        assert consumer.lost == expected
    assert put_back == [lost]
    assert lost.headers["x-fleet-crashes"] == 1
    assert not consumer._workload.in_flight


def test_suspects_that_others_run_meanwhile_do_not_keep_a_busy_worker_dry() -> None:
    running, later = message(0), message(1, ident="b")
    consumer, broker = make("late", [running])
    pool, workload = Pool(), consumer._workload
    consumer._turn(cast("Any", pool))
    broker.suspects = True
    consumer._turn(cast("Any", pool))
    assert broker.consuming, "it waits for a moment with nothing in flight"
    workload._make_room_at = 0.0
    consumer._turn(cast("Any", pool))
    assert not broker.consuming
    broker.look_for_suspects = lambda: setattr(broker, "suspects", False) or False  # type: ignore[method-assign, func-returns-value]
    workload._make_room_at = 0.0
    consumer._turn(cast("Any", pool))
    broker.deliveries = [later]
    consumer._turn(cast("Any", pool))
    assert broker.consuming
    assert pool.submitted == [running, later]
