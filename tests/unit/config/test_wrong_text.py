"""Where a text that is no TOML goes wrong."""

from __future__ import annotations

import pytest

from fleet.config.wrong_text import open_bracket, open_text, position


@pytest.mark.parametrize(
    "text",
    [
        "a = ^[1, 2\n[table]\n",
        "[table]\na = ^{ b = 1\n",
        "a = ^[[1], [2]\nb = 1\n",
        "a = [1, ^[2\nb = 1\n",
        "a = ^[\"]\", '}', 1 # ]\n",
        "[[routes]]\n[workers.x]\na = ^[\n",
        'a = [1]\nb = { c = "}" }\n',
    ],
)
def test_the_innermost_bracket_that_is_not_closed_is_found(text: str) -> None:
    plain, at = text.replace("^", ""), text.find("^")
    assert open_bracket(plain, len(plain)) == (at if at >= 0 else None)


def test_what_follows_the_end_closes_nothing() -> None:
    assert open_bracket("a = [1\n]", 6) == 4


def test_a_quote_that_is_not_closed_is_found_with_its_line_and_column() -> None:
    text = "a = 'x'\nb = \"y\n"
    opened = open_text(text)
    assert opened is not None
    assert position(text, opened) == (2, 5)
