"""Text from outside: nothing of it steers a terminal or looks like a line of its own."""

from __future__ import annotations

import json
import unicodedata

import pytest

from fleet.visible import all_visible, indented_lines, visible, visible_lines, visible_output

ORDINARY = "grüße, 你好, ελλ, naïve e\u0301 €100 — “q” 🙂"


def hidden() -> list[str]:
    """Every control, format, separator and surrogate that this Python knows."""
    wanted = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [each for each in map(chr, range(0x110000)) if unicodedata.category(each) in wanted]


def test_ordinary_text_of_any_language_stays() -> None:
    assert visible(ORDINARY) == visible_lines(ORDINARY) == visible_output(ORDINARY) == ORDINARY


def test_every_hidden_character_is_escaped() -> None:
    for character in hidden():
        shown = visible(f"a{character}b")
        assert shown.isascii() and shown.isprintable() and "\\" in shown, hex(ord(character))


def test_only_line_breaks_and_tabs_survive_in_lines() -> None:
    assert {each for each in hidden() if visible_lines(each) == each} == {"\n", "\t"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\n", "\\n"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b", "\\u009b"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_a_hidden_character_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_trace_cannot_look_like_a_line_of_the_log() -> None:
    lines = indented_lines("Traceback:\n2026-01-01T00:00:00Z ERROR g/0 forged\r\x1b[A").split("\n")
    assert lines == ["  Traceback:", "  2026-01-01T00:00:00Z ERROR g/0 forged\\r\\x1b[A"]


def test_names_and_values_of_json_are_made_visible() -> None:
    assert all_visible({"a\n": ["\x1b", 5, None, {"b": ("\x07",)}]}) == {
        "a\\n": ["\\x1b", 5, None, {"b": ["\\x07"]}]
    }


def test_the_guard_lets_our_colours_through_and_nothing_else() -> None:
    assert visible_output("\x1b[31;1mred\x1b[0m\x1b[K") == "\x1b[31;1mred\x1b[0m\x1b[K"
    for attack in ("\x1b]0;title\x07", "\x1bc", "\x1b[5;5H", "\x1b[?1049h", "\x1bP", "\x9b2J", "\x1b[31"):
        assert not {"\x1b", "\x9b", "\x07"} & set(visible_output(attack)), attack


def test_json_means_the_same_behind_the_guard() -> None:
    value = {"text": "".join(each for each in hidden() if not "\ud800" <= each <= "\udfff") + ORDINARY}
    shown = visible_output(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert shown.isprintable()
