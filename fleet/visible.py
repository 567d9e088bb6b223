"""Text that comes from outside, made visible: what would steer a terminal or forge a line is shown as an escape.

A task's name, an exception's text, a worker's report: whoever can send a message chooses them. Escaped are control
characters (C0, DEL, C1), format characters (bidirectional overrides, zero-width ones, tags), line and paragraph
separators, and halves of surrogate pairs. Imports nothing of fleet and nothing that loads threading: workers use it
before and after they patch.
"""

from __future__ import annotations

import re
from typing import Any

# Category Cf as of Unicode 16, written out: it must not depend on the Python that runs.
_FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_SURROGATES = "\ud800-\udfff"
# Texts, and compiled when the first character that is not plain turns up: it takes a millisecond.
_HIDDEN = f"[\x00-\x1f\x7f-\x9f{_FORMAT}{_SURROGATES}]"
# Tabs and the ends of lines are what makes a text of several lines one.
_HIDDEN_IN_LINES = f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_FORMAT}{_SURROGATES}]"
# What this program itself writes to a terminal: colours, and the frames of `fleet status --watch`.
_HIDDEN_ON_TERMINAL = f"\x1b\\[(?:[0-9;]*m|[HKJ])|\r|{_HIDDEN_IN_LINES}"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""On one line: a line break becomes \n, an escape \x1b, a bidirectional override \u202e."""
    return text if _is_plain(text) else re.sub(_HIDDEN, _escape, text)


def visible_lines(text: str) -> str:
    """As `visible`, but line breaks and tabs stay: of a text that is meant to have several lines."""
    return text if _is_plain(text, _LINES) else re.sub(_HIDDEN_IN_LINES, _escape, text)


def indented_lines(text: str) -> str:
    """As `visible_lines`, each line indented: below a line of a log, so that none of them looks like one."""
    return "  " + visible_lines(text).replace("\n", "\n  ")


def visible_output(text: str) -> str:
    """The last guard before a terminal: as `visible_lines`, but for colours and frames of our own.

    JSON stays JSON, and means the same: its writers escape the first 32 characters themselves.
    """
    return text if _is_plain(text, _LINES) else re.sub(_HIDDEN_ON_TERMINAL, _escape_or_pass, text)


def all_visible(value: Any) -> Any:
    """A JSON value in which every text, names included, is on one line and visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {all_visible(name): all_visible(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(each) for each in value]
    return value


_LINES: dict[int, int] = str.maketrans("\n\t", "  ")


def _is_plain(text: str, but_for: dict[int, int] | None = None) -> bool:
    """All of it ASCII that a terminal shows, `but_for` these."""
    return text.isascii() and (text.translate(but_for) if but_for else text).isprintable()


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x20:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_or_pass(found: re.Match[str]) -> str:
    matched = found[0]
    if len(matched) > 1 or matched == "\r":
        return matched
    if ord(matched) < 0x10000:
        return _escape(found)
    # As two surrogates: JSON knows four digits only.
    high, low = divmod(ord(matched) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
