"""Something bad never happens: the planner against arbitrary states, edits and crashes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.controller.observed.observe import SeenWorker, State
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.plan import Action, Drain, Kill, Start, plan, settled
from fleet.fleet_state import FleetState, Group, RolloutPolicy
from tests.unit.controller.world import World, fleet, group, worker

NOW = 50.0

# A simulated hour takes as long as the machine lets it.
unhurried = settings(deadline=None)

policies = st.builds(
    RolloutPolicy,
    max_surge=st.integers(0, 3),
    max_unavailable=st.integers(0, 3),
    min_ready_seconds=st.sampled_from([0.0, 2.0]),
    progress_deadline_seconds=st.sampled_from([5.0, 120.0]),
).filter(lambda policy: policy.max_surge + policy.max_unavailable > 0)


@st.composite
def groups(draw: st.DrawFn, name: str = "http") -> Group:
    singleton = draw(st.booleans()) and draw(st.booleans())
    replicas = 1 if singleton else draw(st.integers(0, 5))
    made = group(
        name,
        replicas,
        version=draw(st.integers(0, 2)),
        concurrency=draw(st.integers(1, 2)),
        singleton=singleton,
        policy=draw(policies),
    )
    return replace(made, paused=draw(st.sampled_from([(), (), ("q",)])))


@st.composite
def crowds(draw: st.DrawFn) -> list[SeenWorker]:
    """Any workers at all in slots 0..6 of one group, in any state."""
    seen = []
    for serial in range(draw(st.integers(0, 8))):
        state = draw(st.sampled_from(State))
        one = worker(
            draw(st.integers(0, 6)),
            serial,
            of=group(version=draw(st.integers(0, 2))),
            state=state,
            started=draw(st.floats(0, NOW)),
            restarts=draw(st.integers(0, 2)),
            crashed=draw(st.booleans()),
            looping=draw(st.booleans()),
            ready_since=draw(st.floats(0, NOW)) if state is State.READY else None,
            been_up=draw(st.booleans()),
            live_revision=draw(
                st.sampled_from([None, *(group(concurrency=n).live_revision for n in (1, 2))])
            ),
            paused=draw(st.sampled_from([None, (), ("q",)])),
            recycle=draw(st.sampled_from([None, None, "max_age = 1h"])),
        )
        seen.append(one)
    return seen


def check(wanted: Group, seen: list[SeenWorker], actions: list[Action], now: float) -> None:
    """What holds for each plan of each state."""
    at = standing(wanted, seen, now)
    started = [action.replica for action in actions if isinstance(action, Start)]
    drained = {action.name for action in actions if isinstance(action, Drain)}
    killed = {action.name for action in actions if isinstance(action, Kill)}
    assert not killed & drained, "one thing at a time"
    assert killed == {w.name for w in at.staying if at.sick(w)} - drained
    assert len(started) == len(set(started)), "one start per slot"
    assert len(drained) == sum(isinstance(action, Drain) for action in actions), "one drain per worker"
    assert set(started) <= set(range(wanted.replicas))
    assert drained <= {w.name for w in at.staying}, "who is leaving is not told again"
    staying = [w for w in at.staying if w.name not in drained]
    renewed = {w.replica for w in staying if w.revision == wanted.revision and not w.recycle}
    assert not renewed & set(started), "a slot that is right is not filled twice"
    floor = wanted.replicas - wanted.max_unavailable
    before, after = (sum(map(at.available, those)) for those in (at.staying, staying))
    assert after >= min(before, floor), "the planner itself never goes below the allowed availability"
    beside = set(started) & {w.replica for w in staying}
    if beside:
        assert len(staying) + len(started) <= wanted.replicas + wanted.max_surge
    if wanted.max_surge == 0:
        assert not set(started) & {w.replica for w in at.leaving}
    if wanted.singleton and started:
        assert not at.staying
        assert not at.leaving


@unhurried
@given(groups(), crowds())
def test_every_plan_is_sound(wanted: Group, seen: list[SeenWorker]) -> None:
    check(wanted, seen, plan(fleet(wanted), seen, NOW), NOW)


@unhurried
@given(groups(), crowds())
def test_settled_means_no_action(wanted: Group, seen: list[SeenWorker]) -> None:
    if settled(fleet(wanted), seen, NOW):
        assert plan(fleet(wanted), seen, NOW) == []


@unhurried
@given(groups(), crowds())
def test_from_any_state_the_declared_one_is_reached(wanted: Group, seen: list[SeenWorker]) -> None:
    world = World(list(seen), now=NOW)
    assert world.run(fleet(wanted)), world.workers
    assert plan(fleet(wanted), world.workers, world.now) == []


@unhurried
@given(groups(), crowds())
def test_old_workers_that_hang_do_not_hold_up_the_new_ones(wanted: Group, seen: list[SeenWorker]) -> None:
    old = {w.revision for w in seen} - {wanted.revision}
    assert World(list(seen), now=NOW, hung=old).run(fleet(wanted)), "stuck"


@unhurried
@given(groups(), crowds())
def test_a_plan_carried_out_is_not_planned_again(wanted: Group, seen: list[SeenWorker]) -> None:
    world = World(list(seen), now=NOW)
    first = plan(fleet(wanted), world.workers, NOW)
    world.apply(first)
    again = plan(fleet(wanted), world.workers, NOW)
    assert {(a.replica, type(a)) for a in again if isinstance(a, Start)} & {
        (a.replica, type(a)) for a in first if isinstance(a, Start)
    } == set()


disturbances = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), groups()),
        st.tuples(st.just("crash"), st.integers(0, 10)),
        st.tuples(st.just("forget"), st.none()),
        st.tuples(st.just("silence"), st.integers(0, 10)),
        st.tuples(st.just("trouble"), st.integers(0, 10)),
        st.tuples(st.just("wear"), st.integers(0, 10)),
        st.tuples(st.just("wait"), st.floats(0.05, 4)),
    ),
    max_size=25,
)


@unhurried
@given(groups(), disturbances)
def test_edits_and_crashes_at_any_time_end_in_the_declared_state(wanted: Group, events: list) -> None:
    world = World()
    effective: FleetState = fleet(wanted)
    for kind, value in events:
        if kind == "edit":
            wanted, effective = value, fleet(value)
        elif kind == "crash":
            world.crash(value)
        elif kind == "forget":
            world.forget()
        elif kind in ("silence", "trouble"):
            world.fall(value, State.SILENT if kind == "silence" else State.TROUBLED)
        elif kind == "wear":
            world.wear_out(value)
        else:
            world.tick(value)
        actions = plan(effective, world.workers, world.now)
        check(wanted, world.workers, actions, world.now)
        world.apply(actions, effective)
    assert world.run(effective), world.workers


@unhurried
@given(groups(), policies, st.integers(1, 5))
def test_a_bad_revision_never_costs_more_than_max_unavailable(
    wanted: Group, policy: RolloutPolicy, replicas: int
) -> None:
    good = group(replicas=replicas, version=1)
    bad = group(replicas=replicas, version=2, policy=policy)
    world = World([worker(slot, of=good) for slot in range(replicas)], bad={bad.revision})
    assert not world.run(fleet(bad), steps=25)
    working = sum(w.state is State.READY for w in world.workers)
    assert working >= replicas - policy.max_unavailable
    assert world.run(fleet(good)), "taking the edit back mends everything"
