"""Files of slots: no serial is given twice, and the last logs of each slot stay."""

from __future__ import annotations

from pathlib import Path

from fleet.controller.apply.slot_files import KEPT_LOGS_PER_SLOT, last_serials, superfluous_logs
from fleet.program_labels import WorkerLabels
from fleet.supervisor.client import Program


def program(group: str, replica: int, serial: int) -> Program:
    labels = WorkerLabels(group, replica, serial, "r", "").to_dict()
    return Program(group, f"{replica}.{serial}", "running", 7, 0.0, 1.0, 0, None, None, labels)


def test_the_last_serial_of_a_slot_is_the_highest_in_use_or_on_disk() -> None:
    programs = [program("http", 0, 4), program("http", 1, 1)]
    files = [Path("http.0.3.log"), Path("http.1.9.json"), Path("a.b.2.5.log.1"), Path("controller.log")]
    assert last_serials(programs, files) == {("http", 0): 4, ("http", 1): 9, ("a.b", 2): 5}


def test_logs_beyond_the_last_of_their_slot_are_superfluous_with_their_rotations() -> None:
    serials = range(1, KEPT_LOGS_PER_SLOT + 2)
    logs = [Path(f"http.0.{serial}.log") for serial in serials] + [
        Path("http.0.1.log.1"),
        Path("http.1.1.log"),
    ]
    assert set(superfluous_logs(logs, set())) == {Path("http.0.1.log"), Path("http.0.1.log.1")}


def test_the_log_of_a_worker_that_runs_stays_however_old() -> None:
    logs = [Path(f"http.0.{serial}.log") for serial in range(1, KEPT_LOGS_PER_SLOT + 3)]
    assert list(superfluous_logs(logs, {("http", "0.1")})) == [Path("http.0.2.log")]


def test_logs_that_are_no_workers_are_nobodys_business() -> None:
    assert list(superfluous_logs([Path("controller.log"), Path("supervisord.log")], set())) == []
