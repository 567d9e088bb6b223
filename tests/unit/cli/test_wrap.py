"""Lines that are made to fit a terminal."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cli.options import columns
from fleet.cli.wrap import fold

COLOUR = re.compile(r"\x1b\[\d*m")


def test_what_is_too_long_goes_on_below_a_little_further_in() -> None:
    assert list(fold(["  one two three", "four"], 10)) == ["  one two", "    three", "four"]


def test_a_command_stays_whole() -> None:
    assert list(fold(["say `fleet down` now"], 12)) == ["say", "  `fleet down`", "  now"]
    assert list(fold(["an odd ` in it"], 9)) == ["an odd `", "  in it"]


def test_a_quoted_log_is_left_to_the_terminal_and_so_is_a_long_word() -> None:
    assert list(fold(["  | a b c d e f g h"], 8)) == ["  | a b c d e f g h"]
    assert list(fold(["a https://a.long/address b"], 8)) == ["a", "  https://a.long/address", "  b"]


@given(
    st.lists(st.sampled_from(["a", "bcd", "\x1b[31mred\x1b[0m", "e" * 9]), min_size=1), st.integers(14, 40)
)
def test_no_word_is_lost_and_colours_take_no_room(words: list[str], width: int) -> None:
    folded = list(fold([f"  {' '.join(words)}"], width))
    assert " ".join(folded).split() == words
    assert all(len(COLOUR.sub("", line)) <= width for line in folded)


@pytest.mark.parametrize(("stated", "expected"), [("90", 90), ("0", 77), ("wide", 77), (None, 77)])
def test_columns_are_as_stated_or_else_as_the_terminal_has_them(
    monkeypatch: pytest.MonkeyPatch, stated: str | None, expected: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if stated is not None:
        monkeypatch.setenv("COLUMNS", stated)
    with monkeypatch.context() as here:  # pytest asks for the terminal, too, once the test has ended
        here.setattr("os.get_terminal_size", lambda: os.terminal_size((77, 24)))
        found = columns(100)
    assert found == expected


def test_without_a_terminal_columns_are_what_the_caller_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> os.terminal_size:
        raise OSError("not a terminal")

    monkeypatch.delenv("COLUMNS", raising=False)
    with monkeypatch.context() as here:
        here.setattr("os.get_terminal_size", none)
        found = columns(100)
    assert found == 100
