from __future__ import annotations

import pytest

from fleet.config.document import Document
from fleet.config.variables import expand


def expanded(text: str, **environ: str) -> str | list[str]:
    """The text with its variables, or what is wrong with them."""
    document = Document({"x": text})
    problems = [finding.message for finding in expand(document, environ)]
    return problems or str(document.data["x"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "a"),
        ("amqp://${A}:${A}@host", "amqp://a:a@host"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${A:-x}", "a"),
        ("${A:?no}", "a"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A costs $5", "$A costs $5"),
        ("${NONE}", ["environment variable `NONE` is not set"]),
        ("${NONE:?ask Bob}", ["environment variable `NONE` is not set: ask Bob"]),
        ("${EMPTY:?ask Bob}", ["environment variable `EMPTY` is not set: ask Bob"]),
        ("${A", ["x: `${A` is not a variable"]),
        ("${}", ["x: `${}` is not a variable"]),
        ("${A:+b}", ["x: `${A:***}` is not a variable"]),
        ("${ONE}${TWO}", [f"environment variable `{name}` is not set" for name in ("ONE", "TWO")]),
    ],
)
def test_each_form_of_variable_is_expanded(text: str, expected: str | list[str]) -> None:
    assert expanded(text, A="a", EMPTY="") == expected


def test_the_value_of_a_variable_is_not_expanded_again() -> None:
    assert expanded("${A}", A="${B} $$") == "${B} $$"


def test_every_string_anywhere_but_in_environments() -> None:
    document = Document({"a": [{"b": "${A}"}], "env": {"prod": {"c": "${NONE}"}}})
    assert list(expand(document, {"A": "x"})) == []
    assert document.data["a"] == [{"b": "x"}]
    assert document.written == {("a", 0, "b"): "${A}"}
