"""What crosses a process boundary is as the committed snapshot has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.boundary import OUTPUTS, STATIC, read
from tests.boundary.outputs import merged, outputs, shape
from tests.boundary.static import static

REMEDY = "if it is meant: `python -m tests.boundary`, and a line in CHANGELOG.md"


# An object for each thing that happens: how many of them, and so which keys, is a matter of time.
STREAMS = ("/commands/restart", "/commands/reload")


def differences(before: Any, now: Any, at: str = "") -> list[str]:
    """In words. A null or an empty list says nothing of what else may stand there."""
    if isinstance(before, dict) and isinstance(now, dict):
        gone = [f"{at}/{key} is gone" for key in before if key not in now and not at.startswith(STREAMS)]
        new = [f"{at}/{key} is new" for key in now if key not in before]
        both = (differences(before[key], now[key], f"{at}/{key}") for key in before if key in now)
        return [*gone, *new, *(line for lines in both for line in lines)]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now) == 1:
        return differences(before[0], now[0], f"{at}[]")
    if isinstance(before, list) and isinstance(now, list) and {"nothing", "value"}.isdisjoint(map(str, now)):
        gone = [f"{at}: {each} is gone" for each in before if each not in now]
        return [*gone, *(f"{at}: {each} is new" for each in now if each not in before)]
    unsaid = at.startswith("/commands") and {"value", "nothing"} & {str(before), str(now)}
    return [] if before == now or unsaid else [f"{at}: {before} → {now}"]


def test_words_that_other_processes_know_are_as_they_were() -> None:
    assert differences(read(STATIC), static()) == [], REMEDY


@pytest.mark.process
def test_shapes_of_what_a_fleet_shows_are_as_they_were(short_folder: Path) -> None:
    assert differences(read(OUTPUTS), outputs(short_folder)) == [], REMEDY


def test_a_shape_has_the_keys_of_all_elements_and_no_values() -> None:
    assert shape({"a": [{"b": 1}, {"b": None, "c": [2]}]}) == {"a": [{"b": "value", "c": ["value"]}]}
    assert shape([]) == ["nothing"]
    assert merged("value", {"a": "value"}) == {"a": "value"}


def test_a_difference_says_where_it_is() -> None:
    before = {"commands": {"status": {"state": "value", "groups": [{"name": "value"}]}}}
    now = {"commands": {"status": {"state": "value", "groups": [{"nam": "value"}], "more": "value"}}}
    assert differences(before, now) == [
        "/commands/status/more is new",
        "/commands/status/groups[]/name is gone",
        "/commands/status/groups[]/nam is new",
    ]
    assert differences({"codes": {"OK": 0}}, {"codes": {"OK": 1}}) == ["/codes/OK: 0 → 1"]
    assert differences({"fields": ["a", "b"]}, {"fields": ["a"]}) == ["/fields: b is gone"]


def test_a_null_or_an_empty_list_is_no_difference() -> None:
    full, empty = {"commands": {"x": [{"a": {"b": "value"}}]}}, {"commands": {"x": [{"a": "value"}]}}
    assert differences(full, empty) == differences(empty, full) == []
    assert differences(full, {"commands": {"x": ["nothing"]}}) == []
