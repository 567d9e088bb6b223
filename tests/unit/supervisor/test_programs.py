"""The programs of a supervisor as one set: added once, told apart, the first one last to go. Without processes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.states import ProcessStates

from fleet.launch_specs import ProgramSpec
from fleet.supervisor import settings
from fleet.supervisor.programs import Programs


class Process:
    """As ManagedProcess, as far as the set of programs has to do with it."""

    def __init__(self, config: Any, group: Any) -> None:
        self.config, self.group, self.spec = config, group, config.spec
        self.state, self.pid, self.kind, self.removing = ProcessStates.RUNNING, 1, None, False
        self.log = SimpleNamespace(close=lambda: None)
        self.heard: list[str] = []

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name not in ("stop", "kill_now", "hurry"):
            raise AttributeError(name)
        return lambda: self.heard.append(name)

    def deadline(self) -> float:
        return float(len(self.spec.name))

    def gone(self) -> None:
        self.state = ProcessStates.STOPPED


class Config:
    def __init__(self, _options: Any, spec: ProgramSpec) -> None:
        self.spec, self.name = spec, f"{spec.group}.{spec.name}"

    def make_process(self, group: Any) -> Process:
        return Process(self, group)


class Supervisord:
    def __init__(self) -> None:
        self.process_groups: dict[str, Any] = {}

    def add_process_group(self, config: Any) -> None:
        group = SimpleNamespace(config=config)
        group.processes = {each.name: each.make_process(group) for each in config.process_configs}
        self.process_groups[config.name] = group

    def remove_process_group(self, name: str) -> None:
        del self.process_groups[name]


def program(name: str, group: str = "w", **more: Any) -> ProgramSpec:
    return ProgramSpec(group, name, ("/bin/x",), "/", {}, "/log", **more)


CONTROLLER = program("controller", "fleet", stop_seconds=10.0)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setattr(settings, "ManagedConfig", Config)
    zygotes = SimpleNamespace(tend=lambda _wanted: None)
    options = SimpleNamespace(stopping=False, zygotes=zygotes, pid=1, hurried=False)
    return Programs(options, Supervisord(), CONTROLLER)  # type: ignore[arg-type]


def process(programs: Programs, full_name: str) -> Process:
    found: Any = programs.find(full_name)
    return found  # type: ignore[no-any-return]


def test_a_program_is_found_by_its_full_name_and_no_other(programs: Programs) -> None:
    programs.add(program("0.1"))
    assert process(programs, "w:0.1").spec.name == "0.1"
    assert programs.find("w:0.2") is None
    assert programs.find("other:0.1") is None


def test_adding_a_program_twice_leaves_the_first_one(programs: Programs) -> None:
    programs.add(program("0.1"))
    before, sequence = process(programs, "w:0.1"), programs.sequence
    programs.add(program("0.1", nice=5))
    assert process(programs, "w:0.1") is before
    assert programs.sequence == sequence


def test_every_change_makes_the_sequence_grow(programs: Programs) -> None:
    sequence = programs.sequence
    programs.add(program("0.1"))
    assert programs.sequence > sequence
    sequence = programs.sequence
    programs.remove("w:0.1", kill=False)
    assert programs.sequence > sequence


def test_nothing_is_added_to_a_fleet_that_stops(programs: Programs) -> None:
    programs._options.stopping = True
    with pytest.raises(ValueError, match=r"w:0\.1: this fleet is stopping"):
        programs.add(program("0.1"))


@pytest.mark.parametrize(("kill", "heard"), [(False, ["stop"]), (True, ["kill_now"])])
def test_a_removed_program_is_stopped_and_forgotten_when_it_is_gone(
    programs: Programs, kill: bool, heard: list[str]
) -> None:
    programs.add(program("0.1"))
    removed = process(programs, "w:0.1")
    programs.remove("w:0.1", kill=kill)
    programs.tend()
    assert (removed.heard, programs.find("w:0.1")) == (heard, removed)
    removed.gone()
    programs.tend()
    assert programs.find("w:0.1") is None
    assert "w" not in programs._supervisord.process_groups


def test_removing_an_unknown_program_changes_nothing(programs: Programs) -> None:
    sequence = programs.sequence
    programs.remove("w:9.9", kill=True)
    assert programs.sequence == sequence


def test_the_first_program_is_stopped_when_all_others_are_gone(programs: Programs) -> None:
    programs.add(program("0.1"))
    programs._options.stopping = True
    programs.stop_all()
    programs.tend()
    first = process(programs, "fleet:controller")
    assert (process(programs, "w:0.1").heard, first.heard) == (["stop"], [])
    process(programs, "w:0.1").gone()
    programs.tend()
    assert first.heard == ["stop"]


def test_stopping_takes_as_long_as_the_longest_and_then_the_first(programs: Programs) -> None:
    assert programs.longest_stop_seconds() == 10.0
    programs.add(program("0.1", stop_seconds=35.0))
    programs.add(program("0.1", "slow", stop_seconds=65.0))
    assert programs.longest_stop_seconds() == 75.0


def test_all_are_hurried_the_first_one_too(programs: Programs) -> None:
    programs.add(program("0.1"))
    programs.hurry_all()
    assert [each.heard for each in programs] == [["hurry"], ["hurry"]]  # type: ignore[attr-defined]
    assert programs._options.hurried


def test_the_next_deadline_is_that_of_the_program_that_comes_first(programs: Programs) -> None:
    assert programs.deadline() == float(len("controller"))
    programs.add(program("0.1"))
    assert programs.deadline() == float(len("0.1"))
