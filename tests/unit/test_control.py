"""What a worker reports is believed only if a worker could have said it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control import NEW_FIELDS, Report, read_report, written

FULL = Report(
    worker="http/0",
    pid=42,
    revision="r",
    state="ready",
    concurrency=4,
    paused_queues=("a",),
    children=(1, 2),
    broker_error="gone",
    idle_seconds=1.5,
    tasks={"app.work": [3, 1.5, 0.5]},
)
WRONG = [
    None,
    True,
    5,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "x",
    "",
    [],
    [1],
    ["x"],
    [[1]],
    {},
    {"a": 1},
]
WRONG += [{"a": [1, 2]}, {"a": [1, 2, "x"]}, {"a": [1, 2, float("nan")]}]


def line(**said: Any) -> bytes:
    return json.dumps({**FULL.to_dict(), **said}).encode()


# What the first controllers know. Nothing is added here: a field of today belongs to NEW_FIELDS.
OLD_FIELDS = {
    "worker",
    "pid",
    "revision",
    "state",
    "concurrency",
    "live_revision",
    "in_flight",
    "succeeded",
    "failed",
}
OLD_FIELDS |= {
    "retried",
    "rss_bytes",
    "paused",
    "paused_queues",
    "children",
    "broker_error",
    "recycle",
    "idle_seconds",
}
OLD_FIELDS |= {"trouble", "tasks"}


def test_a_controller_that_has_not_said_what_it_knows_is_told_only_what_the_first_ones_knew() -> None:
    """Those hang up on a field that they have never heard of, and kill the worker as one that does not report."""
    assert json.loads(written(FULL, frozenset())).keys() == OLD_FIELDS
    assert {each.name for each in fields(Report)} == OLD_FIELDS | NEW_FIELDS


def test_what_a_worker_says_is_understood() -> None:
    assert read_report(line()) == FULL
    least = Report("http/0", 1, "r", "starting")
    assert read_report(least.to_json().encode()) == least


@pytest.mark.parametrize("name", [each.name for each in fields(Report)])
def test_a_value_of_another_type_is_refused_or_means_what_the_field_does(name: str) -> None:
    expected = type(getattr(FULL, name))
    for value in WRONG:
        try:
            got = getattr(read_report(line(**{name: value})), name)
        except ValueError:
            continue
        assert got is None or isinstance(got, expected | str), (name, value)
    with pytest.raises(ValueError, match=name):
        read_report(line(**{name: object_of_no_use(name)}))


def object_of_no_use(name: str) -> Any:
    return {"x": "y"} if name != "tasks" else {"x": "y", "z": []}


@pytest.mark.parametrize(
    "text", [b"", b"5", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"worker": "a"}', b"9" * 9999]
)
def test_a_line_that_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_report(text)


def test_a_long_text_is_cut() -> None:
    assert len(read_report(line(trouble="x" * 100_000)).trouble or "") == 2_000


def test_a_field_of_a_younger_version_is_passed_over() -> None:
    assert read_report(line(invented={"x": [1]})) == FULL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([each.name for each in fields(Report)]), json_values))
def test_anything_at_all_is_read_or_refused(said: dict[str, Any]) -> None:
    try:
        report = read_report(line(**said))
    except ValueError:
        return
    assert isinstance(hash((report.state, report.trouble, report.paused_queues)), int)
    assert sum(each[0] for each in report.tasks.values()) >= 0
