"""Words for messages that can't be run: whatever is in them, the reason can be written and stays short."""

from __future__ import annotations

import reprlib

_LONGEST = 120


class MalformedMessage(ValueError):  # noqa: N818
    """A message that can never be run. Its text is the reason that goes to the dead-letter queue."""


def shown(value: object) -> str:
    """`repr`, but short, and for whatever comes: numbers of ten thousand digits, lists in lists in lists."""
    try:
        text = _SHORT.repr(value)
    except BaseException:  # it is only for a person to read
        text = f"something of type {type(value).__name__}"
    return cut(text, _LONGEST)


def cut(text: str, most: int) -> str:
    """At most `most` characters, and none that can't be written as UTF-8."""
    whole = text[: most + 1].encode("utf-8", "backslashreplace").decode()
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def cause(error: BaseException) -> str:
    """`ValueError: what was wrong`, short: some quote what they could not read. Never raises."""
    try:
        return cut(f"{type(error).__name__}: {error}", 300)
    except BaseException:  # a broken __str__
        return type(error).__name__


def too_large(what: str, most: int) -> str:
    return f"{what} has more than the {most} bytes that [broker] max_message_size allows"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST
_SHORT.maxlevel = 3
