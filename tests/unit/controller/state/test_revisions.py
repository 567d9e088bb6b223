"""Rollbacks: what counts as failed, what the fleet goes back to, and how long that is remembered."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.controller.observed.observe import Observation, State
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.plan import plan, settled
from fleet.controller.rollout.progress import judge
from fleet.controller.rollout.rollback import to_roll_back
from fleet.controller.state.effective import effective_state
from fleet.controller.state.revisions import FailedRevision, Revisions
from fleet.fleet_state import FleetState, Group, RolloutPolicy
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.rollout.test_plan_properties import policies
from tests.unit.controller.world import World, fleet, group, worker

NOW = 100.0


def mark(of: Group) -> FailedRevision:
    return FailedRevision(of.name, of.revision, "http/0 exited with code 3", 1.0)


def look(world: World) -> Observation:
    programs = {
        each.name: Program(each.group, "", "running", 1, 0.0, 0.0, 0, None, None) for each in world.workers
    }
    return Observation(Snapshot(1, 1, 1.0, False), tuple(world.workers), programs, {}, world.now)


def live(world: World, declared: FleetState, revisions: Revisions, *, steps: int = 200) -> Revisions:
    """What the controller does in a loop, until nothing is left to do."""
    for _ in range(steps):
        effective = effective_state(declared, revisions)
        revisions = judge(effective, look(world), revisions, 1.0)
        effective = effective_state(declared, revisions)
        if settled(effective, world.workers, world.now):
            return revisions
        world.apply(plan(effective, world.workers, world.now))
        world.tick(0.5)
    return revisions


def test_new_workers_that_fail_are_removed_and_old_ones_stay() -> None:
    old, bad = group(version=1), group(version=2)
    world = World([worker(0, of=old), worker(1, of=old)], bad={bad.revision})
    before = list(world.workers)
    revisions = live(world, fleet(old), Revisions())
    assert revisions.trusted_group("http") == old
    revisions = live(world, fleet(bad), revisions.fit(fleet(bad)))
    assert revisions.failure(bad)
    assert [w for w in world.workers if not w.leaving] == before
    ended = world.workers[:]
    world.tick(60)
    live(world, fleet(bad), revisions, steps=20)
    assert {w.name for w in world.workers} <= {w.name for w in ended}, "it is not tried again"


def test_with_pause_it_halts_as_it_is() -> None:
    old = group(version=1)
    bad = group(version=2, policy=RolloutPolicy(on_failure="pause"))
    world = World([worker(0, of=old), worker(1, of=old)], bad={bad.revision})
    revisions = live(world, fleet(bad), Revisions(trusted=(old,)), steps=30)
    assert revisions.failure(bad) is None
    assert standing(bad, world.workers, world.now).halted


def test_a_first_start_that_fails_has_nothing_to_go_back_to() -> None:
    bad = group(version=2)
    world = World(bad={bad.revision})
    assert live(world, fleet(bad), Revisions(), steps=30).failures == ()


def test_how_many_is_still_the_files_to_say() -> None:
    old, bad = group(replicas=2, version=1), group(replicas=3, version=2)
    revisions = Revisions(trusted=(old,), failures=(mark(bad),))
    (now,) = effective_state(fleet(bad), revisions).groups
    assert (now.spec, now.replicas) == (old.spec, 3)
    down = worker(1, of=old, state=State.BACKOFF, crashed=True)
    (start,) = plan(effective_state(fleet(bad), revisions), [worker(0, of=old), down], NOW)
    assert (start.replica, start.revision) == (2, old.revision), "what crashed is the supervisor's to start"
    lost = plan(effective_state(fleet(bad), revisions), [worker(0, of=old), worker(2, of=old)], NOW)
    assert [(each.replica, each.revision) for each in lost] == [(1, old.revision)]


def test_an_edit_of_the_group_is_a_new_attempt_and_an_edit_elsewhere_is_none() -> None:
    old, bad, third = (group(version=version) for version in range(3))
    revisions = Revisions(trusted=(old,), failures=(mark(bad),))
    assert revisions.fit(fleet(bad, group("other"))).failure(bad)
    assert revisions.fit(fleet(third)).failures == ()
    assert revisions.fit(fleet(old)).fit(fleet(bad)).failure(bad) is None, "back and forth: it is tried again"
    assert revisions.pardon().failure(bad) is None
    assert revisions.fit(fleet(group("other"))) == Revisions()


def test_when_the_rollout_took_the_old_one_down_it_comes_back() -> None:
    for policy in (RolloutPolicy(max_surge=0, max_unavailable=1), RolloutPolicy(max_unavailable=1)):
        old, bad = group(replicas=1, version=1), group(replicas=1, version=2, policy=policy)
        world = World([worker(0, of=old)], bad={bad.revision})
        revisions = live(world, fleet(bad), Revisions(trusted=(old,)))
        assert revisions.failure(bad)
        assert {w.revision for w in world.workers if w.state is State.READY} == {old.revision}


def test_old_ones_that_do_not_work_either_are_no_reason_to_go_back() -> None:
    old, bad = group(replicas=1, version=1), group(replicas=1, version=2)
    seen = [
        worker(0, 1, of=old, state=State.FAILED, looping=True),
        worker(0, 2, of=bad, state=State.FAILED, looping=True),
    ]
    assert not to_roll_back(standing(bad, seen, NOW), Revisions(trusted=(old,)))


def test_the_revisions_come_back_from_the_disk_as_they_were() -> None:
    bad = group(version=2)
    revisions = Revisions(trusted=(group(version=1),), failures=(mark(bad),))
    assert Revisions.from_json(revisions.to_json()) == revisions


@settings(deadline=None, max_examples=60)
@given(policies, st.integers(1, 5), st.booleans(), st.integers(0, 4), st.booleans())
def test_a_failed_rollout_ends_where_it_began(
    policy: RolloutPolicy, replicas: int, hangs: bool, good_ones: int, singleton: bool
) -> None:
    replicas = 1 if singleton else replicas
    old, bad = group(replicas=replicas, version=1), group(replicas=replicas, version=2, policy=policy)
    bad = replace(bad, singleton=singleton)
    world = World([worker(slot, of=old) for slot in range(replicas)])
    for slot in range(min(good_ones, replicas - 1)):  # those that were replaced before one failed
        world.workers[slot] = worker(slot, 2, of=bad)
    (world.hung if hangs else world.bad).add(bad.revision)
    revisions, fewest = Revisions(trusted=(old,)), replicas
    for _ in range(600):
        effective = effective_state(fleet(bad), revisions)
        revisions = judge(effective, look(world), revisions, 1.0)
        effective = effective_state(fleet(bad), revisions)
        world.apply(plan(effective, world.workers, world.now))
        world.tick(0.5)
        fewest = min(fewest, sum(w.state is State.READY for w in world.workers))
        if revisions.failure(bad) and settled(
            effective_state(fleet(bad), revisions), world.workers, world.now
        ):
            break
    assert revisions.failure(bad)
    staying = [w for w in world.workers if not w.leaving]
    assert sorted((w.replica, w.revision) for w in staying) == [(s, old.revision) for s in range(replicas)]
    assert all(w.state is State.READY for w in staying)
    assert fewest >= replicas - bad.max_unavailable
