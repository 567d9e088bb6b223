"""Labels of programs: a controller reads what it, an older or a newer one has written."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import program_labels
from fleet.program_labels import WorkerLabels
from fleet.supervisor.client import Program

LABELS = WorkerLabels("http", 2, 3, "5b1f0c2d9a41", "/s/http.2.3.json", "t")


def program(group: str, labels: dict[str, Any]) -> Program:
    return Program(group, "2.3", "running", 7, 0.0, 1.0, 0, None, None, labels)


def test_labels_are_read_as_they_were_written() -> None:
    assert WorkerLabels.of(program("http", LABELS.to_dict())) == LABELS
    assert LABELS.slot == "http/2"


def test_the_keys_of_a_workers_labels_are_those_of_older_controllers() -> None:
    assert list(LABELS.to_dict()) == [
        "role",
        "group",
        "replica",
        "serial",
        "revision",
        "launch_file",
        "token",
    ]
    assert LABELS.to_dict()["role"] == "worker"


def test_labels_of_an_older_controller_have_no_token() -> None:
    old = {key: value for key, value in LABELS.to_dict().items() if key not in ("token", "group")}
    assert WorkerLabels.of(program("http", old)) == WorkerLabels(
        "http", 2, 3, "5b1f0c2d9a41", "/s/http.2.3.json"
    )


def test_labels_of_a_newer_controller_may_say_more() -> None:
    assert WorkerLabels.of(program("http", {**LABELS.to_dict(), "colour": "red"})) == LABELS


def test_labels_without_a_slot_are_no_workers() -> None:
    with pytest.raises(KeyError):
        WorkerLabels.of(program("http", {"role": "worker"}))


def test_programs_are_told_apart_by_their_role() -> None:
    own = program("fleet", dict(program_labels.CONTROLLER))
    worker, other = program("http", LABELS.to_dict()), program("other", {})
    assert program_labels.workers([own, worker, other]) == [worker]
    assert program_labels.controller([other, worker, own]) == own
    assert program_labels.controller([worker]) is None
