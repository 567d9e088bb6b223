"""What workers tell beside reports: read back as it was told, and believed only if a worker could have said it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.telemetry import (
    LONGEST_TRACEBACK,
    MOST_ERRORS,
    MOST_SERIES,
    SIZE,
    ErrorEntry,
    Statistics,
    TaskEntry,
    WorkerAnswer,
    dense,
    is_telemetry,
    nothing,
    read_line,
    sparse,
)

NUMBERS = [*nothing()]
NUMBERS[0], NUMBERS[6], NUMBERS[20] = 3, 1.25, 3
TOLD = Statistics(
    "http/0",
    42,
    "ab12",
    (TaskEntry("io", "shop.resize", NUMBERS, 1e9),),
    (ErrorEntry("ValueError", "shop.py:1 in f", 2, 1.0, 2.0, "id", "io", "shop.resize", "no", "Traceback"),),
    dropped=4,
    last=True,
)


def changed(**what: Any) -> bytes:
    said = json.loads(TOLD.to_json())["statistics"]
    return json.dumps({"statistics": {**said, **what}}).encode()


def test_what_a_worker_tells_is_understood() -> None:
    line = TOLD.to_json().encode()
    assert is_telemetry(line)
    assert read_line(line) == TOLD
    answer = WorkerAnswer(1, 7, {"running": []})
    assert is_telemetry(answer.to_json().encode())
    assert read_line(answer.to_json().encode()) == answer
    assert not is_telemetry(b'{"alone": null}')


@given(st.lists(st.one_of(st.integers(0, 2**50), st.floats(0, 1e9)), min_size=SIZE, max_size=SIZE))
def test_numbers_come_back_as_they_were_but_for_less_than_a_microsecond(numbers: list[float]) -> None:
    assert dense(json.loads(json.dumps(sparse(numbers)))) == pytest.approx(numbers, abs=1e-6)


@pytest.mark.parametrize(
    "line",
    [
        changed(birth="../../etc"),
        changed(birth=5),
        changed(pid=-1),
        changed(pid=True),
        changed(worker=None),
        changed(tasks=[["q", "t", [0, -1], 0]]),
        changed(tasks=[["q", "t", [SIZE, 1], 0]]),
        changed(tasks=[["q", "t", [0], 0]]),
        changed(tasks=[["q", "t", [0, True], 0]]),
        changed(tasks=[["q", "t", [0, float("nan")], 0]]),
        changed(tasks=[["q", 3, [], 0]]),
        changed(tasks=[["q", "t", []]]),
        changed(tasks=[["q", "t", [], 0]] * (MOST_SERIES + 2)),
        changed(errors=[[]]),
        changed(errors=[["t", "p", 1.5, 0, 0, "", "", "", "", ""]]),
        changed(errors=[["t", "p", 1, 0, 0, "", "", "", "", ""]] * (MOST_ERRORS + 2)),
        b'{"statistics": 5}',
        b'{"statistics": {}}',
        b'{"answer": {"pid": 1, "to": 2, "said": []}}',
        b'{"answer": {}}',
        b'{"statistics": ' + b"[" * 100_000,
    ],
)
def test_a_line_that_no_worker_would_tell_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_line(line)


def test_texts_are_cut_and_can_be_written_as_utf8() -> None:
    told = read_line(
        changed(
            errors=[["E", "p", 1, 0, 0, "\ud800" * 300, "", "", "", "x" * 9000]],
            tasks=[["q", "\udfff", [], 0]],
        )
    )
    assert isinstance(told, Statistics)
    assert len(told.errors[0].traceback) == LONGEST_TRACEBACK
    told.errors[0].id.encode()
    told.tasks[0].task.encode()
