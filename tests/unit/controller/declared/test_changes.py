"""What an edit of fleet.toml changes, in phrases for the event log: names, never values."""

from __future__ import annotations

from dataclasses import replace

from fleet.controller.declared.changes import config_changes
from fleet.fleet_state import Autoscale, FleetState
from fleet.launch_specs import ScheduleSpec
from tests.unit.controller.world import fleet, group

BEFORE = fleet(group("http"), group("mail"))


def with_schedules(*schedules: ScheduleSpec) -> FleetState:
    return replace(BEFORE, schedules=schedules)


def test_the_first_file_is_counted() -> None:
    assert config_changes(None, fleet(group())) == ["1 worker group"]
    assert config_changes(None, with_schedules(ScheduleSpec("s", "t"))) == ["2 worker groups", "1 schedule"]


def test_an_edit_that_means_nothing_says_nothing() -> None:
    assert config_changes(BEFORE, replace(BEFORE, loaded_at=9.0)) == []


def test_groups_that_come_and_go_are_named() -> None:
    assert config_changes(BEFORE, fleet(group("http"), group("new"))) == ["new: new group", "mail: removed"]


def test_a_changed_group_names_its_settings_and_its_replicas() -> None:
    after = fleet(group("http", 5, concurrency=9), group("mail"))
    assert config_changes(BEFORE, after) == ["http: concurrency changed", "http: replicas 2 → 5"]


def test_bounds_of_the_autoscaler_are_named() -> None:
    after = fleet(replace(group("http"), autoscale=Autoscale(2, 8)), group("mail"))
    assert config_changes(BEFORE, after) == ["http: autoscaling"]


def test_schedules_that_come_go_and_change_are_named() -> None:
    before = with_schedules(ScheduleSpec("a", "t"), ScheduleSpec("b", "t"))
    after = with_schedules(ScheduleSpec("b", "other"), ScheduleSpec("c", "t"))
    assert config_changes(before, after) == ["schedule c: new", "schedule a: removed", "schedule b: changed"]
