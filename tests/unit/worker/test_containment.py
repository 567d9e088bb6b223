"""One message ends neither the loop nor a slot, whatever is in it and whatever goes wrong with it."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleet.broker.delivery import Death, Delivery
from fleet.protocol import Call, encode
from fleet.tasks import Retry
from fleet.worker import failure
from fleet.worker.execution import Executor, RunOptions, Target, limits_of
from fleet.worker.headers import attempts_of, hard_limit_of, label, retries_of, task_of
from fleet.worker.limits import Alarm
from fleet.worker.orders import Order
from fleet.worker.outcome import Outcome, Policy, decide
from tests.contract.hostile import HUGE, deep, odd_headers, values
from tests.unit.worker.rehearsal import Broker, Pool, make

POLICY = Policy(3, 1.0, 600.0, None, None)
anything = values | some.binary(max_size=20)


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__


def boom() -> None:
    raise Unspeakable


def executor() -> Executor:
    targets = {name: Target(function, POLICY, {}) for name, function in (("ok", print), ("boom", boom))}
    return Executor(targets, RunOptions(lambda _soft, _hard: Alarm()), accept=("json",))


@given(
    some.builds(
        Delivery,
        tag=some.none(),
        queue=some.just("q"),
        body=some.binary(max_size=50) | values.map(repr).map(str.encode) | some.just(b"[[], {}, null]"),
        headers=odd_headers | anything,
        properties=anything,
        content_type=some.just("application/json") | anything,
        content_encoding=some.just("utf-8") | anything,
    )
)
def test_whatever_is_delivered_has_an_outcome_and_a_decision(delivery: Delivery) -> None:
    outcome = executor().run(delivery)
    assert outcome.kind != "succeeded"
    assert len(outcome.reason) < 1000
    outcome.reason.encode()
    label(delivery).encode("utf-8")
    decide(
        outcome,
        POLICY,
        retries=retries_of(delivery),
        attempt=attempts_of(delivery),
        random=lambda: 0.0,
    )
    limit = hard_limit_of(delivery, POLICY)
    assert limit is None or time.monotonic() + limit < 1e12
    assert isinstance(task_of(delivery), str)


def test_a_task_may_raise_what_it_likes() -> None:
    message = encode(Call("1", "boom"))
    outcome = executor().run(Delivery(None, "q", message.body, message.headers))
    assert outcome.kind == "failed"
    assert outcome.reason == "Unspeakable: (its text can't be shown)"


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__qualname__":
            raise SystemExit
        return super().__getattribute__(name)


class Hostile(str):
    __slots__ = ()

    def strip(self, *_: object) -> str:
        raise SystemExit

    splitlines = __len__ = strip  # type: ignore[assignment]


class WellNamed(Exception):  # noqa: N818
    def __str__(self) -> str:
        return Hostile("text")


def test_reasons_and_traces_are_text_whatever_the_exception_does() -> None:
    nameless = Nameless("Nameless", (Exception,), {})("x")
    for error in (nameless, WellNamed(), Unspeakable(), ValueError("\ud800" * 1000), ValueError(HUGE)):
        assert 0 < len(failure.reason(error)) <= failure.LONGEST_REASON
        failure.reason(error).encode()
        failure.trace(error).encode()


@pytest.mark.parametrize("delay", [1e12, float("inf"), float("nan"), "1000000d", 10**400])
def test_a_delay_beyond_all_calendars_is_the_tasks_mistake(delay: Any) -> None:
    with pytest.raises(ValueError, match="delay must be"):
        Retry(delay=delay)


@pytest.mark.parametrize("delay", [1e12, float("nan"), "soon", True, [1]])
def test_a_retry_whose_delay_was_set_by_hand_to_nonsense_fails_alone(delay: Any) -> None:
    def later() -> None:
        request = Retry("later")
        request.delay_seconds = delay
        raise request

    target = Target(later, POLICY, {})
    message = encode(Call("1", "later"))
    running = Executor({"later": target}, RunOptions(lambda _soft, _hard: Alarm()), accept=("json",))
    outcome = running.run(Delivery(None, "q", message.body, message.headers))
    assert (outcome.kind, outcome.delay_seconds) == ("failed", None)
    assert "delay must be" in outcome.reason


def test_limits_are_what_timers_can_take() -> None:
    call = Call("1", "t", time_limit=1e300, soft_time_limit=1e300)
    for seconds in limits_of(call, POLICY):
        assert seconds is not None
        assert seconds < 1e9
    for odd in (HUGE, float("inf")):
        found = hard_limit_of(Delivery(None, "q", b"", {"timelimit": [odd, None]}), POLICY)
        assert found is not None
        assert found < 1e9
    for none in (float("nan"), -1, True, "5", [5], 0):
        assert hard_limit_of(Delivery(None, "q", b"", {"timelimit": [none, None]}), POLICY) is None


class Faulty(Pool):
    """Can't take the second delivery."""

    def submit(self, delivery: Delivery) -> None:
        super().submit(delivery)
        if len(self.submitted) == 2:
            raise RecursionError("nobody foresaw it")


class Buried(Broker):
    def __init__(self, deliveries: list[Delivery]) -> None:
        super().__init__(deliveries)
        self.dead: list[tuple[Delivery, str]] = []
        self.skipped = frozenset()

    def dead_letter(self, delivery: Delivery, death: Death) -> None:
        self.dead.append((delivery, death.reason))


def test_what_the_pool_can_not_take_is_put_aside_and_the_rest_runs() -> None:
    deliveries = [Delivery(tag, "q", b"") for tag in range(4)]
    consumer, _ = make("late", [])
    broker = Buried(deliveries)
    settler = consumer._settler
    for each in (consumer, consumer._workload, consumer._orders, settler):
        each._connection = cast("Any", broker)  # type: ignore[attr-defined]
    pool = Faulty()
    pool.recall = list  # type: ignore[method-assign]
    while len(pool.submitted) < len(deliveries):  # a turn starts no more than it can in a few milliseconds
        consumer._turn(cast("Any", pool))
    for each in deliveries:
        if each is not deliveries[1]:
            consumer.done(each, Outcome("succeeded"))
    consumer.order(Order("drain", time.monotonic() + 5))
    assert consumer.run(cast("Any", pool)) == (0, False)
    assert [each for each, _ in broker.dead] == [deliveries[1]]
    assert "nobody foresaw it" in broker.dead[0][1]
    assert set(broker.acked) == set(deliveries) - {deliveries[1]}


def test_what_the_loop_can_not_settle_is_put_aside() -> None:
    deliveries = [Delivery(tag, "q", b"") for tag in range(2)]
    consumer, _ = make("late", [])
    broker = Buried(deliveries)
    for each in (consumer, consumer._workload, consumer._orders, consumer._settler):
        each._connection = cast("Any", broker)  # type: ignore[attr-defined]
    pool = Pool()
    pool.recall = list  # type: ignore[method-assign]
    while len(pool.submitted) < len(deliveries):
        consumer._turn(cast("Any", pool))
    consumer.done(deliveries[0], Outcome("retry", "soon", delay_seconds=cast("Any", "soon")))
    consumer.done(deliveries[1], Outcome("succeeded"))
    consumer.order(Order("drain", time.monotonic() + 5))
    assert consumer.run(cast("Any", pool)) == (0, False)
    assert [each for each, _ in broker.dead] == [deliveries[0]]
    assert broker.acked == [deliveries[1]]


def test_a_fault_found_while_it_was_unpacked_is_the_reason() -> None:
    odd = Delivery(1, "q", b"", cast("Any", [1, 2]), content_encoding=cast("Any", 5))
    assert odd.headers == {}
    consumer, _ = make("late", [])
    broker = Buried([odd])
    for each in (consumer, consumer._workload, consumer._orders, consumer._settler):
        each._connection = cast("Any", broker)  # type: ignore[attr-defined]
    pool = Pool()
    consumer._turn(cast("Any", pool))
    assert pool.submitted == []
    assert broker.dead == [(odd, "malformed message: the headers must be an object, got [1, 2]")]


def test_deep_lists_are_no_trouble() -> None:
    assert executor().run(Delivery(None, "q", b"[[], {}, null]", {"task": deep(900), "id": deep(900)})).kind
