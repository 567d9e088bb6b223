"""What people put over the file, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.controller.log.journal import Journal
from fleet.controller.state.effective import effective_state
from fleet.controller.state.overrides import Override, Overrides
from fleet.controller.state.revisions import Revisions
from fleet.controller.state.store import StoredState
from fleet.fleet_state import Autoscale, Group
from fleet.spec import QueueSpec
from fleet.statedir import StateDir
from tests.unit.controller.world import fleet, group


def override(verb: str, target: str = "http", **more: object) -> Override:
    return Override(verb, target, "alice", 100.0, **more)  # type: ignore[arg-type]


def two_queues() -> Group:
    made = group()
    return replace(made, spec=replace(made.spec, queues=(QueueSpec("q"), QueueSpec("b"))))


def test_a_person_counts_more_than_the_autoscaler_and_that_more_than_the_file() -> None:
    file = fleet(replace(group(replicas=2), autoscale=Autoscale(2, 8)))

    def slots(overrides: Overrides, scaled: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
        return effective_state(file, Revisions(), overrides, scaled).groups[0].slots

    assert slots(Overrides(), {}) == (0, 1)
    assert slots(Overrides(), {"http": (0, 1, 4)}) == (0, 1, 4)
    assert slots(Overrides().put(override("scale", replicas=3)), {"http": (0, 4)}) == (0, 1, 2)


def test_scale_and_drain_take_each_others_place_and_a_pause_stays() -> None:
    all_three = Overrides().put(override("scale", replicas=3)).put(override("pause"))
    drained = all_three.put(override("drain", replicas=0))
    assert [each.verb for each in drained.concerning(group())] == ["drain", "pause"]
    assert effective_state(fleet(group()), Revisions(), drained).groups[0].replicas == 0
    assert drained.lift(("pause", "drain"), "http") == Overrides()


def test_a_paused_group_leaves_all_its_queues_and_a_paused_queue_is_left_by_all() -> None:
    both = two_queues()
    assert Overrides().put(override("pause")).paused(both) == ("b", "q")
    of_queue = Overrides().put(override("pause", "q", of_queue=True))
    assert of_queue.paused(both) == ("q",)
    assert of_queue.paused(group("other")) == ("q",)
    assert of_queue.lift(("pause",), "q") == of_queue, "a group of that name is something else"
    assert of_queue.lift(("pause",), "q", of_queue=True) == Overrides()


def test_an_override_with_an_end_expires_then() -> None:
    some = Overrides().put(override("scale", replicas=3, until=200.0)).put(override("pause"))
    assert some.expired(199.9) == ()
    (over,) = some.expired(200.0)
    assert [each.verb for each in some.without([over]).standing] == ["pause"]


def test_an_override_of_a_group_that_is_gone_is_forgotten() -> None:
    some = Overrides().put(override("pause", "gone", of_queue=True)).put(override("drain", "gone"))
    some = some.put(override("pause")).renew(["http:0.1", "http:1.1"], "restart")
    left = some.fit_file(fleet(group()))
    assert [each.target for each in left.standing] == ["http"]
    assert left.fit({"http:1.1"}).reasons == {"http:1.1": "restart"}


def test_an_edit_of_the_group_does_not_end_an_override() -> None:
    some = Overrides().put(override("scale", replicas=3))
    edited = fleet(group(replicas=7, version=2))
    assert some.fit_file(edited) == some


def test_a_controller_that_comes_back_knows_them(short_folder: Path) -> None:
    state = StateDir(short_folder)
    memory = StoredState(state)
    memory.overrides = Overrides().put(override("pause")).renew(["http:0.1"], "why")
    memory.save()
    assert state.overrides.stat().st_mode & 0o777 == 0o600
    assert StoredState(state).overrides == memory.overrides
    state.overrides.write_text("{ half")
    assert StoredState(state).overrides == Overrides()


def test_a_memory_that_can_not_be_written_is_kept_all_the_same(short_folder: Path) -> None:
    folder = short_folder / "gone"
    memory = StoredState(StateDir(folder))
    memory.overrides = Overrides().put(override("pause"))
    memory.save()
    assert memory.overrides.standing
    (failed,) = memory.unsaved
    assert "write overrides.json" in failed.what
    assert failed.reason.startswith("No such file or directory")
    folder.mkdir()
    memory.save()  # again, although nothing has changed since
    assert not memory.unsaved
    assert StoredState(StateDir(folder)).overrides == memory.overrides


def test_the_journal_is_bounded(short_folder: Path) -> None:
    path = short_folder / "events.jsonl"
    journal = Journal(path, max_bytes=1000)
    for number in range(200):
        journal.write({"sequence": number})
    sizes = [each.stat().st_size for each in short_folder.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 1100
    lines = [
        line for each in (path.with_name("events.jsonl.1"), path) for line in each.read_text().split("\n")
    ]
    assert '{"sequence": 199}' in lines
