"""What must hold of the autoscaler whatever the load does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.controller.autoscale.decision import Decision, begin, decide
from fleet.controller.autoscale.need import Limits, ObservedLoad, ScalerState, hold_seconds
from fleet.controller.autoscale.room import Footprint, Room, most_replicas
from fleet.controller.autoscale.slots import SlotLoad
from fleet.controller.autoscale.why import said
from fleet.fleet_state import Autoscale

policies = st.builds(
    lambda low, more, target: Autoscale(low, max(low + more, 1), target),
    st.integers(0, 4),
    st.integers(0, 8),
    st.sampled_from([0.5, 5.0, 30.0, 600.0]),
)


@st.composite
def courses_of_load(draw: st.DrawFn) -> tuple[Autoscale, Limits, list[tuple[float, int, float, int]]]:
    """A policy, limits, and steps of (seconds since the last, waiting, share of slots busy, tasks that ended)."""
    policy = draw(policies)
    limits = Limits(draw(st.integers(1, 10)), most=draw(st.one_of(st.none(), st.integers(0, 6))))
    step = st.tuples(
        st.sampled_from([1.0, 1.0, 1.0, 2.0, 40.0]),
        st.one_of(st.just(0), st.integers(0, 500)),
        st.sampled_from([0.0, 0.0, 0.3, 1.0]),
        st.integers(0, 30),
    )
    return policy, limits, draw(st.lists(step, min_size=1, max_size=60))


def replay(
    policy: Autoscale, limits: Limits, steps: list[tuple[float, int, float, int]]
) -> list[tuple[ObservedLoad, ScalerState, Decision]]:
    """Each load with the scaler before and the decision after it."""
    now, done, scaler = 0.0, 0, begin(policy, (), 0.0)
    seen = []
    for seconds, waiting, busy, ended in steps:
        now, done = now + seconds, done + ended
        each = round(limits.slots_per_replica * busy)
        loads = tuple(SlotLoad(slot, each) for slot in scaler.slots)
        load = ObservedLoad(waiting, None, done, done * 0.4, loads)
        decision = decide(policy, limits, load, scaler, now)
        seen.append((load, scaler, decision))
        scaler = decision.scaler
    return seen


@given(courses_of_load())
def test_a_decision_stays_within_the_bounds_goes_down_one_at_a_time_and_keeps_who_is_busy(
    case: tuple[Autoscale, Limits, list[tuple[float, int, float, int]]],
) -> None:
    policy, limits, steps = case
    for load, before, decision in replay(policy, limits, steps):
        assert policy.min <= decision.replicas <= policy.max
        assert decision.replicas >= len(before.slots) - 1
        assert decision.replicas * limits.slots_per_replica >= load.in_flight
        assert len(set(decision.scaler.slots)) == decision.replicas
        assert list(decision.scaler.slots) == sorted(decision.scaler.slots)
        if limits.most is not None and decision.replicas > decision.before:
            assert decision.replicas <= max(limits.most, policy.min)
        gone = set(before.slots) - set(decision.scaler.slots)
        least = min((each.in_flight for each in load.slots), default=0)
        assert all(load.in_flight == least for load in load.slots if load.slot in gone), "idle ones first"
        assert said("http", decision)


@given(courses_of_load(), st.integers(0, 1000))
def test_a_longer_queue_never_means_fewer_replicas(
    case: tuple[Autoscale, Limits, list[tuple[float, int, float, int]]], more: int
) -> None:
    policy, limits, steps = case
    *_, (load, before, decision) = replay(policy, limits, steps)
    assert load.waiting is not None
    now = before.samples[-1].at + steps[-1][0] if before.samples else steps[-1][0]
    longer = decide(policy, limits, replace(load, waiting=load.waiting + more), before, now)
    assert longer.replicas >= decision.replicas


@given(courses_of_load())
def test_without_numbers_nothing_changes(
    case: tuple[Autoscale, Limits, list[tuple[float, int, float, int]]],
) -> None:
    policy, limits, steps = case
    *_, (load, before, _) = replay(policy, limits, steps)
    for blind in (replace(load, waiting=None), replace(load, paused=True)):
        decision = decide(policy, limits, blind, before, 1e6)
        assert decision.scaler == before
        assert decision.replicas == decision.before


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(0, 5))
def test_new_bounds_hold_at_once(low: int, more: int) -> None:
    scaler = ScalerState((0, 1, 5, 7), samples=())
    loads = (SlotLoad(0, 3), SlotLoad(1), SlotLoad(5, 1), SlotLoad(7, 2))
    policy = Autoscale(low, low + more)
    decision = decide(policy, Limits(4), ObservedLoad(0, 0, 0, 0.0, loads), scaler, 1.0)
    assert policy.min <= decision.replicas <= policy.max
    if policy.max < 4:
        assert decision.scaler.slots == {1: (0,), 2: (0, 7), 3: (0, 5, 7)}[policy.max]


def steady(scaler: ScalerState, load: ObservedLoad, *, seconds: int, start: float = 0.0) -> list[Decision]:
    policy, limits = Autoscale(0, 4, 5.0), Limits(1)
    found = []
    for tick in range(seconds):
        loads = tuple(
            next((load for load in load.slots if load.slot == slot), SlotLoad(slot)) for slot in scaler.slots
        )
        decision = decide(policy, limits, replace(load, slots=loads), scaler, start + tick)
        scaler = decision.scaler
        found.append(decision)
    return found


def test_a_group_at_zero_wakes_with_the_first_message_and_sleeps_when_all_is_done() -> None:
    idle = ObservedLoad(0, 0, 0, 0.0)
    asleep = steady(begin(Autoscale(0, 4, 5.0), (), 0.0), idle, seconds=60)[-1]
    assert asleep.replicas == 0
    woken = steady(asleep.scaler, replace(idle, waiting=1), seconds=1, start=60.0)[0]
    assert woken.replicas == 1
    assert "1 waits" in said("http", woken)
    held = steady(woken.scaler, replace(idle, held=1), seconds=60, start=61.0)[-1]
    assert held.replicas == 1, "somebody still has a message"
    asleep_again = steady(held.scaler, idle, seconds=60, start=121.0)
    assert asleep_again[-1].replicas == 0


def test_each_step_down_waits_and_only_the_last_of_them_for_all() -> None:
    scaler = ScalerState((0, 1, 2, 3), raised_at=0.0, changed_at=0.0)
    found = steady(scaler, ObservedLoad(0, 0, 0, 0.0), seconds=60)
    downs = [tick for tick, decision in enumerate(found) if decision.replicas < decision.before]
    hold = hold_seconds(Autoscale(0, 4, 5.0), None)
    assert downs[0] >= hold - 1
    assert len(downs) == 4
    assert all(b - a >= hold / 4 - 1 for a, b in pairwise(downs))


def test_a_replica_whose_work_may_outlast_its_grace_period_is_not_let_go() -> None:
    """A drain gives back what the grace period is too short for: that would be work done in vain."""
    policy, limits = Autoscale(1, 4, 5.0), Limits(4, grace_seconds=30.0)
    scaler = ScalerState((0, 1), raised_at=0.0, changed_at=0.0, task_seconds=200.0)
    # One task each: one replica could do both.
    loads = (SlotLoad(0, 1), SlotLoad(1, 1))
    for tick in range(1500):
        decision = decide(policy, limits, ObservedLoad(0, 2, 0, 0.0, loads), scaler, float(tick))
        scaler = decision.scaler
    assert scaler.slots == (0, 1)
    assert "no replica is idle" in decision.why
    for tick in range(1500, 3000):
        load = ObservedLoad(0, 1, 0, 0.0, (SlotLoad(0, 0), SlotLoad(1, 1)))
        decision = decide(policy, limits, load, scaler, float(tick))
        scaler = decision.scaler
    assert scaler.slots == (1,), "the idle one goes, though it is the first"


@pytest.mark.parametrize(
    ("own", "others", "most"),
    [
        (Footprint("a", "prefork", 4, 1), [], 2),
        (Footprint("a", "prefork", 4, 1), [Footprint("b", "prefork", 2, 2)], 1),
        (Footprint("a", "prefork", 4, 1), [Footprint("b", "gevent", 500, 4)], 2),
        (Footprint("a", "gevent", 500, 1), [Footprint("b", "prefork", 8, 1)], None),
        (Footprint("a", "solo", 1, 1, memory_bytes=300), [Footprint("b", "solo", 1, 2, 200)], 1),
        (Footprint("a", "prefork", 1, 1, memory_bytes=100), [], 8),
    ],
)
def test_the_machine_sets_a_limit(own: Footprint, others: list[Footprint], most: int | None) -> None:
    assert most_replicas("a", [own, *others], Room(cpus=8, memory_bytes=1000))[0] == most
