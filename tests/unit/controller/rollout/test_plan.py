"""The planner, case by case: what a person expects of each kind of edit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet import launch_specs
from fleet.controller.observed.observe import State
from fleet.controller.rollout.dry_run import foresee
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.plan import Action, Drain, Kill, Start, Tell, plan, settled
from fleet.fleet_state import RolloutPolicy
from tests.unit.controller.world import World, fleet, group, worker

NOW = 100.0


def steps(actions: list[Action]) -> list[str]:
    """Short names: "+1" starts slot 1, "-1.2" drains its worker of serial 2, "!1.2" kills it."""
    return [f"+{a.replica}" if isinstance(a, Start) else f"{a.symbol}{a.replica}.{a.serial}" for a in actions]


def test_a_fresh_fleet_starts_every_replica_at_once() -> None:
    assert steps(plan(fleet(group(replicas=3)), [], NOW)) == ["+0", "+1", "+2"]


def test_an_unchanged_fleet_is_left_alone() -> None:
    same = group(replicas=2)
    assert plan(fleet(same), [worker(0, of=same), worker(1, of=same)], NOW) == []


def test_more_replicas_add_and_fewer_remove_exactly_those_slots() -> None:
    two, four = group(replicas=2), group(replicas=4)
    running = [worker(slot, of=two) for slot in range(4)]
    assert steps(plan(fleet(four), running[:2], NOW)) == ["+2", "+3"]
    assert steps(plan(fleet(two), running, NOW)) == ["-3.1", "-2.1"]


def test_the_autoscaler_may_leave_any_slot_empty_and_fill_it_again() -> None:
    seats = replace(group(replicas=2), seats=(0, 2))
    running = [worker(slot, of=seats) for slot in range(3)]
    assert steps(plan(fleet(seats), running, NOW)) == ["-1.1"]
    assert settled(fleet(seats), [running[0], running[2]], NOW)
    assert steps(plan(fleet(group(replicas=3)), [running[0], running[2]], NOW)) == ["+1"]
    changed = replace(group(version=2), seats=(0, 2))
    assert steps(plan(fleet(changed), [running[0], running[2]], NOW)) == ["+0"]


def test_a_removed_group_is_drained() -> None:
    gone = group("gone")
    assert steps(plan(fleet(), [worker(0, of=gone), worker(1, of=gone)], NOW)) == ["-0.1", "-1.1"]


def test_a_changed_group_starts_new_ones_first_and_then_drains_slot_by_slot() -> None:
    old, new = group(version=1), group(version=2)
    before = [worker(0, of=old), worker(1, of=old)]
    assert steps(plan(fleet(new), before, NOW)) == ["+0"]
    young = worker(0, 2, of=new, ready_since=NOW - 1)
    assert plan(fleet(new), [*before, young], NOW) == []
    proven = worker(0, 2, of=new, ready_since=NOW - 2)
    assert steps(plan(fleet(new), [*before, proven], NOW)) == ["-0.1", "+1"]


def test_a_surge_of_two_replaces_two_at_a_time() -> None:
    policy = RolloutPolicy(max_surge=2)
    old, new = group(replicas=4, version=1), group(replicas=4, version=2, policy=policy)
    assert steps(plan(fleet(new), [worker(slot, of=old) for slot in range(4)], NOW)) == ["+0", "+1"]


def test_without_surge_a_slot_is_emptied_before_it_is_filled() -> None:
    policy = RolloutPolicy(max_surge=0, max_unavailable=1)
    old, new = group(version=1), group(version=2, policy=policy)
    assert steps(plan(fleet(new), [worker(0, of=old), worker(1, of=old)], NOW)) == ["-1.1"]
    leaving = worker(1, of=old, state=State.STOPPING, ready_since=None)
    assert plan(fleet(new), [worker(0, of=old), leaving], NOW) == []
    assert steps(plan(fleet(new), [worker(0, of=old)], NOW)) == ["+1"]


def test_a_singleton_stops_then_starts() -> None:
    old, new = group(replicas=1, version=1), group(replicas=1, version=2, singleton=True)
    assert steps(plan(fleet(new), [worker(0, of=old)], NOW)) == ["-0.1"]
    assert plan(fleet(new), [worker(0, of=old, state=State.STOPPING)], NOW) == []
    assert steps(plan(fleet(new), [], NOW)) == ["+0"]


@pytest.mark.parametrize("state", [State.FAILED, State.BACKOFF])
def test_a_failed_new_worker_halts_and_costs_no_old_one(state: State) -> None:
    policy = RolloutPolicy(max_surge=2, max_unavailable=1)
    old, new = group(replicas=3, version=1), group(replicas=3, version=2, policy=policy)
    seen = [worker(slot, of=old) for slot in range(3)] + [worker(0, 2, of=new, state=state)]
    assert plan(fleet(new), seen, NOW) == []


def test_a_new_worker_that_is_never_ready_halts_at_the_progress_deadline() -> None:
    policy = RolloutPolicy(max_unavailable=1, progress_deadline_seconds=10)
    old, new = group(version=1), group(version=2, policy=policy)
    before = [worker(0, of=old), worker(1, of=old)]
    late = worker(0, 2, of=new, state=State.STARTING, started=NOW - 11)
    in_time = worker(0, 2, of=new, state=State.STARTING, started=NOW - 9)
    assert plan(fleet(new), [*before, late], NOW) == []
    assert steps(plan(fleet(new), [*before, in_time], NOW)) == ["-1.1", "+1"]


def test_an_edit_that_mends_a_crash_loop_does_not_wait_for_it() -> None:
    old, new = group(version=1), group(version=2)
    looping = [worker(slot, of=old, state=State.BACKOFF, looping=True) for slot in range(2)]
    assert steps(plan(fleet(new), looping, NOW)) == ["-1.1", "-0.1", "+0", "+1"]


def test_an_old_worker_that_crashed_just_now_is_not_written_off() -> None:
    old, new = group(replicas=1, version=1), group(replicas=1, version=2)
    down = worker(0, of=old, state=State.BACKOFF, crashed=True)
    back = worker(0, of=old, state=State.STARTING, crashed=True, restarts=1, started=NOW)
    assert steps(plan(fleet(new), [down], NOW)) == ["+0"]
    assert steps(plan(fleet(new), [back], NOW)) == ["+0"]


def test_an_edit_during_a_rollout_supersedes_it() -> None:
    first, second, third = (group(version=version) for version in range(3))
    seen = [worker(0, of=first), worker(1, of=first), worker(0, 2, of=second, state=State.STARTING)]
    assert steps(plan(fleet(third), seen, NOW)) == ["-0.2", "+0"]


def test_going_back_during_a_rollout_only_removes_the_newcomer() -> None:
    old, new = group(version=1), group(version=2)
    seen = [worker(0, of=old), worker(1, of=old), worker(0, 2, of=new)]
    assert steps(plan(fleet(old), seen, NOW)) == ["-0.2"]


def test_after_a_restart_nothing_is_drained_before_the_workers_have_spoken() -> None:
    policy = RolloutPolicy(max_unavailable=1)
    old, new = group(replicas=4, version=1), group(replicas=2, version=2, policy=policy)
    seen = [worker(slot, of=old, state=State.UNKNOWN) for slot in range(4)]
    assert [action for action in plan(fleet(new), seen, NOW) if isinstance(action, Drain)] == []


def test_a_rollout_with_a_crash_in_it_goes_on_by_itself() -> None:
    old, new = group(version=1), group(version=2)
    world = World([worker(0, of=old), worker(1, of=old)])
    world.apply(plan(fleet(new), world.workers, world.now))
    world.crash(2)
    assert world.run(fleet(new))
    assert {w.revision for w in world.workers if not w.leaving} == {new.revision}


def test_three_generations_in_one_slot_do_not_block_the_third() -> None:
    first, second, third = (group(replicas=1, version=version) for version in range(3))
    seen = [worker(0, of=first), worker(0, 2, of=second)]
    assert steps(plan(fleet(third), seen, NOW)) == ["-0.2", "+0"]
    world = World(seen)
    assert world.run(fleet(third))


def test_a_worker_that_asks_for_it_is_replaced_new_one_first() -> None:
    same = group(replicas=2)
    worn = worker(0, of=same, recycle="max_tasks = 100")
    (start,) = plan(fleet(same), [worn, worker(1, of=same)], NOW)
    assert (start.replica, start.reason) == (0, "max_tasks = 100")
    young = worker(0, 2, of=same, state=State.STARTING, started=NOW)
    assert plan(fleet(same), [worn, worker(1, of=same), young], NOW) == []
    proven = worker(0, 2, of=same)
    (drain,) = plan(fleet(same), [worn, worker(1, of=same), proven], NOW)
    assert (drain.replica, drain.serial, drain.reason) == (0, 1, "replaced: max_tasks = 100")


def test_a_replacement_that_wears_out_as_fast_is_not_heaped_up() -> None:
    same = group(replicas=1)
    worn = [worker(0, serial, of=same, recycle="max_tasks = 1") for serial in (1, 2)]
    assert steps(plan(fleet(same), worn, NOW)) == ["-0.1", "+0"]
    assert steps(plan(fleet(same), worn[1:], NOW)) == ["+0"]


def test_all_worn_out_at_once_go_one_by_one_within_the_surge() -> None:
    same = group(replicas=4)
    worn = [worker(slot, of=same, recycle="max_age = 1h") for slot in range(4)]
    assert steps(plan(fleet(same), worn, NOW)) == ["+0"]
    world = World(worn)
    assert world.run(fleet(same))
    assert sorted(w.serial for w in world.workers if not w.leaving) == [2, 2, 2, 2]


@pytest.mark.parametrize("state", [State.SILENT, State.TROUBLED])
def test_a_worker_that_does_nothing_is_killed_old_or_new(state: State) -> None:
    old, new = group(replicas=2, version=1), group(replicas=2, version=2)
    seen = [
        worker(0, of=old, state=state, been_up=True, pid=7, trouble="its loop is stuck"),
        worker(1, of=old),
    ]
    assert steps(plan(fleet(old), seen, NOW)) == ["!0.1"]
    assert steps(plan(fleet(new), seen, NOW)) == ["!0.1", "+0"]
    (kill, _) = plan(fleet(new), seen, NOW)
    assert isinstance(kill, Kill)
    assert (kill.pid, kill.reason) == (7, "its loop is stuck")


def test_one_that_is_superfluous_and_silent_is_killed_for_good() -> None:
    one = group(replicas=1)
    seen = [worker(0, of=one), worker(1, of=one, state=State.SILENT, been_up=True)]
    (drain,) = plan(fleet(one), seen, NOW)
    assert isinstance(drain, Drain)
    assert drain.kill


def test_a_start_that_keeps_silent_has_the_progress_deadline() -> None:
    one = group(replicas=1, policy=RolloutPolicy(progress_deadline_seconds=60))
    importing = worker(0, of=one, state=State.SILENT, started=NOW - 59)
    assert plan(fleet(one), [importing], NOW) == []
    assert steps(plan(fleet(one), [importing], NOW + 2)) == ["!0.1"]


def test_new_workers_that_wait_for_a_broker_that_nobody_reaches_are_not_at_fault() -> None:
    policy = RolloutPolicy(max_unavailable=1, progress_deadline_seconds=10)
    old, new = group(version=1), group(version=2, policy=policy)
    before = [worker(slot, of=old, cut_off=True, been_up=True) for slot in range(2)]
    waiting = worker(0, 2, of=new, state=State.STARTING, started=NOW - 60, cut_off=True)
    assert not standing(new, [*before, waiting], NOW).halted
    alone = [replace(each, cut_off=False) for each in before]
    assert standing(new, [*alone, waiting], NOW).halted, "it alone is cut off: a wrong address"


def test_live_settings_are_told_to_the_workers_that_go_by_others() -> None:
    before, now = group(concurrency=1), group(concurrency=4)
    assert before.revision == now.revision
    up_to_date = worker(0, of=now, live_revision=now.live_revision)
    late = worker(1, of=now, live_revision=before.live_revision, pid=9)
    (tell,) = plan(fleet(now), [up_to_date, late], NOW)
    assert isinstance(tell, Tell)
    assert (tell.do, tell.replica, tell.pid) == ("configure", 1, 9)
    assert not settled(fleet(now), [up_to_date, late], NOW)
    silent_about_it = worker(1, of=now)
    assert plan(fleet(now), [up_to_date, silent_about_it], NOW) == []


def test_live_settings_are_not_told_to_a_worker_of_another_revision() -> None:
    old, new = group(version=1), group(version=2, concurrency=4)
    seen = [worker(slot, of=old, live_revision=old.live_revision) for slot in range(2)]
    assert steps(plan(fleet(new), seen, NOW)) == ["+0"]


def test_a_pause_reaches_old_and_new_workers_and_ends() -> None:
    old, new = group(version=1), replace(group(version=2), paused=("q",))
    seen = [worker(slot, of=old, paused=()) for slot in range(2)]
    assert steps(plan(fleet(new), seen, NOW)) == ["+0", "~0.1", "~1.1"]
    paused = [worker(slot, of=new, paused=("q",)) for slot in range(2)]
    assert plan(fleet(new), paused, NOW) == []
    assert steps(plan(fleet(group(version=2)), paused, NOW)) == ["~0.1", "~1.1"]


def test_settings_are_hashed_once_however_many_workers_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan for 200 replicas took minutes when every comparison hashed them again."""
    hashed = []
    digest = launch_specs._digest
    monkeypatch.setattr(launch_specs, "_digest", lambda settings: hashed.append(1) or digest(settings))
    old, new = group(replicas=50, version=1), group(replicas=50, version=2)
    assert len(foresee(fleet(new), [worker(slot, of=old) for slot in range(50)])) == 100
    assert len(hashed) <= 4, "two revisions of two groups"
