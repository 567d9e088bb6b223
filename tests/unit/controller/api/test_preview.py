"""What a plan says, and that it says what the controller then does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given

from fleet.controller.api.preview import Known, compose
from fleet.controller.declared.diff import of_group
from fleet.controller.declared.source_lines import Lines
from fleet.controller.observed.observe import SeenWorker, State
from fleet.controller.rollout.dry_run import foresee
from fleet.controller.rollout.plan import Tell, settled
from fleet.controller.state.overrides import Override, Overrides
from fleet.controller.state.revisions import FailedRevision, Revisions
from fleet.fleet_state import Autoscale, FleetState, Group
from fleet.launch_specs import WorkerLaunch
from fleet.spec import BrokerSpec
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.rollout.test_plan_properties import crowds, groups, unhurried
from tests.unit.controller.world import World, fleet, group

FILE = Path("/srv/fleet.toml")
NOWHERE = Lines(None)


def running(*of: Group, down: int | None = None) -> Snapshot:
    """All their workers, except that the one in slot `down` keeps crashing."""
    programs = []
    for each in of:
        for slot in range(each.replicas):
            labels = {"role": "worker", "group": each.name, "replica": slot, "serial": 1}
            pid = 0 if slot == down else 100 + slot
            state = "running" if pid else "failed"
            labels["revision"] = each.revision
            programs.append(Program(each.name, f"{slot}.1", state, pid, 0.0, 9.0, 0, None, None, labels))
    return Snapshot(1, 1, 1.0, False, tuple(programs))


def plan_of(before: FleetState, after: FleetState, **more: Any) -> dict[str, Any]:
    snapshot = more.pop("snapshot", None) or running(*before.groups)
    return compose(FILE, after, Known(before, snapshot, **more), NOWHERE)


def actions(found: dict[str, Any]) -> list[str]:
    return [f"{step['symbol']} {step['worker']}" for each in found["groups"] for step in each["actions"]]


def test_a_preview_of_an_unchanged_file_has_nothing_to_do() -> None:
    found = plan_of(fleet(group()), fleet(group()))
    assert (found["changes"], found["groups"], found["unchanged"]) == (False, [], ["http"])


def test_a_fleet_that_does_not_run_would_start_everything() -> None:
    found = compose(FILE, fleet(group(), group("b", 1)), Known(), NOWHERE)
    assert not found["running"]
    assert actions(found) == ["+ http/0", "+ http/1", "+ b/0"]
    assert {each["symbol"] for each in found["groups"]} == {"+"}


def test_a_group_that_scales_is_left_as_the_autoscaler_wants_it_within_its_bounds() -> None:
    wide = replace(group(replicas=0), autoscale=Autoscale(0, 4))
    there = running(replace(wide, replicas=3))
    for scaled in ({"http": (0, 1, 2)}, {}):
        found = plan_of(fleet(wide), fleet(wide), snapshot=there, scaled=scaled)
        assert actions(found) == [], "also when no controller says how many"
        assert found["drift"] == []
    narrow = replace(wide, autoscale=Autoscale(0, 2))
    found = plan_of(fleet(wide), fleet(narrow), snapshot=there, scaled={"http": (0, 1, 2)})
    assert actions(found) == ["- http/2"]
    (reason,) = found["groups"][0]["reasons"]
    assert (reason["old"]["max"], reason["new"]["max"], reason["effect"]) == (4, 2, "live")


def test_each_kind_of_change_has_its_symbol() -> None:
    before = fleet(group("same"), group("bigger", 1), group("smaller"), group("gone", 1), group("other"))
    after = fleet(
        group("same"), group("bigger", 2), group("smaller", 1), group("other", version=2), group("new", 1)
    )
    found = plan_of(before, after)
    symbols = {each["name"]: each["symbol"] for each in found["groups"]}
    assert symbols == {"bigger": "+", "smaller": "-", "gone": "-", "other": "±", "new": "+"}
    assert "± other/0" in actions(found)
    (reason,) = next(each for each in found["groups"] if each["name"] == "other")["reasons"]
    assert (reason["key"], reason["effect"]) == ("fleet.app", "replace")


def test_a_live_change_is_in_place() -> None:
    told = [
        replace(worker, live_revision=group().live_revision)
        for worker in (SeenWorker("http", slot, 1, group().revision, State.READY) for slot in range(2))
    ]
    steps = foresee(fleet(group(concurrency=4)), told)
    assert [type(step) for step in steps] == [Tell, Tell]
    found = plan_of(fleet(group()), fleet(group(concurrency=4)))
    ((change,),) = [each["reasons"] for each in found["groups"]]
    assert (change["key"], change["old"], change["new"]) == ("workers.http.concurrency", 1, 4)
    assert (found["changes"], found["groups"][0]["symbol"]) == (True, "~")


def test_what_needs_a_restart_does_nothing_else() -> None:
    after = replace(fleet(group(version=2)), fleet="renamed")
    found = plan_of(fleet(group()), after)
    assert [each["effect"] for each in found["fleet_changes"]] == ["restart"]
    assert actions(found) == []


def test_a_preview_shows_no_secret() -> None:
    def secretive(secret: str) -> Group:
        broker = BrokerSpec(f"amqp://me:{secret}@host/", transport_options={"key": secret})
        made = group()
        return replace(made, spec=replace(made.spec, broker=broker, environment={"TOKEN": secret}))

    found = list(of_group(secretive("oldone"), secretive("newone")))
    assert [each.path[-1] for each in found] == ["TOKEN", "url", "transport_options"]
    assert "oldone" not in repr(found)
    assert "newone" not in repr(found)


def test_drift_is_said_and_is_no_change() -> None:
    over = Overrides().put(Override("scale", "http", "alice", 1.0, replicas=3, reason="sale"))
    three = fleet(group(replicas=3))
    found = plan_of(fleet(group()), fleet(group()), snapshot=running(*three.groups, down=1), overrides=over)
    assert not found["changes"]
    override, replica = found["drift"]
    assert (override["actor"], override["replicas"], override["declared"]) == ("alice", 3, 2)
    assert (replica["worker"], replica["state"]) == ("http/1", "failed")


def test_a_revision_that_failed_is_not_planned_again_until_the_file_changes() -> None:
    old, bad, third = (group(version=version) for version in range(3))
    revisions = Revisions((old,), (FailedRevision("http", bad.revision, "http/0 exited with code 3", 1.0),))
    same = plan_of(fleet(bad), fleet(bad), revisions=revisions, snapshot=running(old))
    assert not same["changes"]
    assert same["drift"][0]["kind"] == "rolled back"
    edited = plan_of(fleet(bad), fleet(third), revisions=revisions, snapshot=running(old))
    assert actions(edited) == ["± http/0", "± http/1"]


@unhurried
@given(groups(), crowds())
def test_what_is_foreseen_leads_to_what_is_declared(wanted: Group, seen: list[SeenWorker]) -> None:
    world = World([worker for worker in seen if not worker.leaving])
    steps = foresee(fleet(wanted), world.workers)
    names = [step.name for step in steps if not hasattr(step, "revision")]
    assert len(names) <= 3 * len(world.workers) + 3 * wanted.replicas
    assert not steps or not settled(fleet(wanted), seen, 0.0)
    again = foresee(fleet(wanted), world.workers)
    assert again == steps


def test_a_new_name_is_refused_by_the_fleet_that_still_has_the_old_one() -> None:
    found = plan_of(fleet(group()), replace(fleet(group()), fleet="store"))
    assert (found["fleet"], found["groups"]) == ("shop", [])
    (change,) = found["fleet_changes"]
    assert (change["key"], change["effect"]) == ("fleet.name", "restart")


def test_what_scales_by_itself_has_no_number_that_an_override_is_instead_of() -> None:
    scaled = Overrides().put(Override("scale", "http", "ann", 0.0, replicas=3))
    numbers = []
    for each in (group(), replace(group(), autoscale=Autoscale(0, 4))):
        (drift,) = plan_of(fleet(each), fleet(each), overrides=scaled, snapshot=running(group(replicas=3)))[
            "drift"
        ]
        numbers.append(drift["declared"])
    assert numbers == [2, None]


def test_an_edit_in_force_is_still_explained_while_old_workers_run(tmp_path: Path) -> None:
    old, new = group(version=1), group(version=2)
    launch = tmp_path / "http.0.1.json"
    spec = WorkerLaunch("http/0", 0, old.revision, old.spec, "", "")
    launch.write_text(spec.to_json())
    snapshot = running(old)
    told = [replace(p, labels={**p.labels, "launch_file": str(launch)}) for p in snapshot.programs]
    found = plan_of(fleet(new), fleet(new), snapshot=replace(snapshot, programs=tuple(told)))
    assert actions(found) == ["± http/0", "± http/1"]
    (reason,) = found["groups"][0]["reasons"]
    assert (reason["key"], reason["old"], reason["new"]) == ("fleet.app", ("shop.v1",), ("shop.v2",))
    back = Revisions((old,), (FailedRevision("http", new.revision, "no good", 1.0),))
    sent_back = plan_of(
        fleet(new), fleet(new), snapshot=replace(snapshot, programs=tuple(told)), revisions=back
    )
    assert not sent_back["changes"], "those stay"
    launch.unlink()
    again = plan_of(fleet(new), fleet(new), snapshot=replace(snapshot, programs=tuple(told)))
    assert again["groups"][0]["reasons"] == []
