"""What actions leave on disk while others tidy up."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.controller.apply.apply import Applier
from fleet.controller.log.failures import Failed
from fleet.controller.rollout.plan import Start
from fleet.launch_specs import ProgramSpec, WorkerLaunch
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.world import fleet, group

START = Start("http", 0, group().revision, "there is none yet")


class Supervisor:
    """Its programs, and a moment in which the answer to `snapshot` is on its way."""

    def __init__(self) -> None:
        self.programs: tuple[Program, ...] = ()
        self.meanwhile = lambda: None
        self.asked = 0

    def snapshot(self) -> Snapshot:
        self.asked += 1
        answer = Snapshot(1, 1, 0.0, False, self.programs)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return answer

    def add(self, program: ProgramSpec) -> None:
        if program.name.startswith("13."):
            raise ValueError("nobody likes that number")
        self.programs += (
            Program(
                program.group, program.name, "running", 1, 0.0, 0.0, 0, None, None, labels=program.labels
            ),
        )

    def stop(self, full_name: str, *, kill: bool = False) -> None:
        raise NotImplementedError

    def condemn(self, full_name: str, pid: int, reason: str) -> None:
        raise NotImplementedError

    def amend(self, full_name: str, *, stop_seconds: float) -> None:
        raise NotImplementedError


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    state = StateDir(tmp_path / ".fleet")
    state.create()
    return state


def test_tidying_spares_the_launch_file_of_a_worker_that_is_being_started(state: StateDir) -> None:
    supervisor = Supervisor()
    hands = Applier(supervisor, state, lambda pid, command: None)
    start = threading.Thread(target=lambda: hands.carry_out([START], fleet(group())))

    def begin_to_start() -> None:
        start.start()
        start.join(0.3)  # as far as it gets

    supervisor.meanwhile = begin_to_start
    hands.tidy()
    start.join(10)
    (program,) = supervisor.programs
    assert Path(program.labels["launch_file"]).exists()


def launches(supervisor: Supervisor) -> list[WorkerLaunch]:
    files = [Path(program.labels["launch_file"]) for program in supervisor.programs]
    return [WorkerLaunch.from_json(file.read_text()) for file in files]


def test_two_fleets_on_equal_hosts_own_their_leases_apart(tmp_path: Path) -> None:
    """Two containers: the same names, paths, host name and pids, and one broker."""
    found = []
    for name in ("one", "two"):
        state, supervisor = StateDir(tmp_path / name), Supervisor()
        state.create()
        Applier(supervisor, state, lambda pid, command: None).carry_out([START], fleet(group()))
        found += launches(supervisor)
    one, two = found
    assert one.worker == two.worker
    assert one.identity("worker", 7) != two.identity("worker", 7)


def test_a_launch_file_that_was_deleted_names_the_same_owner_again(state: StateDir) -> None:
    supervisor = Supervisor()
    hands = Applier(supervisor, state, lambda pid, command: None)
    hands.carry_out([START], fleet(group()))
    (before,) = launches(supervisor)
    Path(supervisor.programs[0].labels["launch_file"]).unlink()
    hands.restore(fleet(group()))
    assert launches(supervisor) == [before]


def test_a_batch_asks_the_supervisor_once_and_goes_on_after_what_fails(state: StateDir) -> None:
    supervisor = Supervisor()
    hands = Applier(supervisor, state, lambda pid, command: None)
    starts = [replace(START, replica=slot) for slot in range(20)]
    failed = hands.carry_out(starts, fleet(group(replicas=20)))
    assert failed == [Failed("start http/13", "nobody likes that number", "http")]
    assert len(supervisor.programs) == 19
    assert supervisor.asked == 1, "each answer names all programs: one for each start makes 200 of them slow"


def test_a_serial_is_never_used_again(state: StateDir) -> None:
    supervisor = Supervisor()
    hands = Applier(supervisor, state, lambda pid, command: None)
    (state.logs / "http.0.7.log.1").touch()
    (state.logs / "http.1.2.log").touch()
    starts = [START, replace(START, replica=1), START, replace(START, replica=2)]
    hands.carry_out(starts, fleet(group()))
    assert [program.name for program in supervisor.programs] == ["0.8", "1.3", "0.9", "2.1"]
