"""The simulated fleet, and through it what the autoscaler comes to under whole loads."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.controller.autoscale.need import hold_seconds
from fleet.controller.autoscale.room import Room
from fleet.fleet_state import Autoscale, Group
from fleet.simulation.figures import figures
from fleet.simulation.load_file import Load, Piece
from fleet.simulation.world import History, World, fixed
from fleet.spec import QueueSpec
from tests.unit.controller.world import group

PLENTY = Room(1000, 1 << 50)


def scaled(low: int, high: int, target: float, slots: int, *, pool: str = "threads") -> Group:
    made = group(concurrency=slots)
    return replace(
        made, spec=replace(made.spec, pool=pool), replicas=low, autoscale=Autoscale(low, high, target)
    )


def run(one: Group, *pieces: Piece, even: bool = False, until: float = 0.0, room: Room = PLENTY) -> History:
    load = Load(pieces, max(until, *(piece.end for piece in pieces)), even=even)
    world = World([one], room)
    return world.run(load.arrivals(), until=load.seconds, at_most=load.seconds * 3)[0]


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from([0.05, 0.5, 2.0, 7.3, 20.0]),
    seconds=st.sampled_from([0.02, 0.3, 1.0, 4.0, 20.0]),
    slots=st.sampled_from([1, 3, 10]),
    target=st.sampled_from([2.0, 10.0, 30.0]),
    low=st.integers(0, 2),
)
def test_a_constant_load_is_met_by_a_constant_number_and_in_time(
    rate: float, seconds: float, slots: int, target: float, low: int
) -> None:
    policy = Autoscale(low, 500, target)
    hold = hold_seconds(policy, seconds)
    # One goes every quarter of a hold: as long as the first guess may have been too high.
    settled = 4 * hold + 20 * seconds + 200
    end = settled + max(10 * hold, 200)
    found = run(scaled(low, 500, target, slots), Piece("q", 0.0, end, rate, (seconds,)), even=True)
    tail = [point.replicas for point in found.points if settled < point.at < end]
    if rate * 2 * hold > 2:  # else it rightly sleeps between two messages
        assert max(tail) - min(tail) <= 0, "it flaps"
        assert max(tail) * slots >= rate * seconds
        late = found.waits[len(found.waits) // 2 :]
        assert max(late) <= target
    assert found.unstarted == 0


def test_a_peak_is_met_fast_and_left_slowly() -> None:
    one = scaled(1, 40, 30.0, 4)
    pieces = (
        Piece("q", 0, 600, 5, (1.0,)),
        Piece("q", 600, 900, 50, (1.0,)),
        Piece("q", 900, 2400, 5, (1.0,)),
    )
    found = run(one, *pieces)
    numbers = figures(found)
    assert numbers["wait"]["max"] < 10
    assert numbers["wait"]["max"] < figures(run(fixed(one, 4), *pieces))["wait"]["max"] / 10
    replicas = {point.at: point.replicas for point in found.points}
    assert replicas[630] * 4 >= 50, "within half a minute"
    assert replicas[910] > 10, "not at once"
    assert replicas[2390] <= 3
    assert numbers["replicas"]["changes"] < 40


def test_a_burst_at_zero_is_worked_off_and_the_group_sleeps_again() -> None:
    found = run(scaled(0, 10, 30.0, 1), Piece("q", 100, 101, 100, (10.0,)), until=900)
    replicas = [point.replicas for point in found.points]
    assert replicas[99] == 0
    assert max(replicas) == 10
    assert replicas[-1] == 0
    steps = [b - a for a, b in pairwise(replicas)]
    assert min(steps) == -1
    assert found.unstarted == 0
    assert found.points[-1].waiting == 0


def test_prefork_stops_at_the_cpus() -> None:
    one = scaled(1, 50, 5.0, 2, pool="prefork")
    found = run(one, Piece("q", 0, 120, 50, (1.0,)), room=Room(8, 1 << 50))
    assert max(point.replicas for point in found.points) == 4
    assert any("there are 8 CPUs" in text for _, text in found.decisions)


def test_what_is_never_taken_counts_as_waiting_until_the_end() -> None:
    numbers = figures(run(fixed(scaled(0, 1, 5.0, 1), 0), Piece("q", 0, 60, 1, (1.0,))))
    assert numbers["unstarted"] == numbers["messages"] > 30
    assert numbers["wait"]["max"] > 100


def test_the_same_seed_gives_the_same_story() -> None:
    load = Load((Piece("q", 0, 300, 3, (0.5, 2.0)),), 300.0)
    assert load.arrivals() == load.arrivals()
    assert load.arrivals(2) != load.arrivals()
    one = scaled(0, 10, 5.0, 1)
    stories = [World([one], PLENTY).run(load.arrivals(), until=300, at_most=900)[0] for _ in range(2)]
    assert stories[0] == stories[1]


def test_preferred_queues_come_first_and_two_groups_share_one() -> None:
    first, second = QueueSpec("q"), QueueSpec("r")
    one = group("one")
    one = replace(one, replicas=1, spec=replace(one.spec, queues=(first, second)))
    two = group("two", replicas=1)
    # Ten messages at once in each queue; r is only served when q is empty.
    arrivals = sorted([(1.0, "q", 1.0)] * 10 + [(1.0, "r", 1.0)] * 3)
    found = {each.group: each for each in World([one, two], PLENTY).run(arrivals, until=5, at_most=100)}
    assert len(found["one"].waits) + len(found["two"].waits) == 13
    assert len(found["two"].waits) == 5
    assert math.isclose(max(found["one"].waits), 7.0)
