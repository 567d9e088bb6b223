"""Names of slots and workers: each is spelt in one way, and a file's name is read as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.slot_names import SlotFile, group_of, slot_file, slot_name, slot_of_program, worker_full_name


def test_a_worker_has_one_name_for_people_and_one_at_the_supervisor() -> None:
    assert slot_name("http", 0) == "http/0"
    assert worker_full_name("http", 0, 3) == "http:0.3"


@pytest.mark.parametrize(
    ("program", "shown"), [("http:0.3", "http/0"), ("a.b:12.1", "a.b/12"), ("fleet:controller", "controller")]
)
def test_a_program_is_shown_to_people_by_its_slot(program: str, shown: str) -> None:
    assert slot_of_program(program) == shown


@pytest.mark.parametrize(("slot", "group"), [("http/0", "http"), ("a/b/0", "a/b"), ("controller", None)])
def test_the_group_of_a_slot_is_what_stands_before_its_number(slot: str, group: str | None) -> None:
    assert group_of(slot) == group


@given(
    st.builds(
        SlotFile,
        group=st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True),
        replica=st.integers(0, 999),
        serial=st.integers(1, 999),
        kind=st.sampled_from(["json", "log"]),
        age=st.integers(0, 9),
    )
)
def test_the_name_of_a_slot_file_is_read_as_it_was_written(file: SlotFile) -> None:
    assert slot_file(str(file)) == file


@pytest.mark.parametrize("name", ["controller.log", "http.0.log", "http.0.1.txt", "routing.1000.json", ""])
def test_a_file_of_another_kind_is_no_slot_file(name: str) -> None:
    assert slot_file(name) is None
