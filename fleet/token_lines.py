"""The lines of a file of tokens, `NAME ROLE SECRET`: who may use the page, and as what."""

from __future__ import annotations

import re

ROLES = ("viewer", "operator", "metrics")
SHORTEST_SECRET = 16
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def read_line(line: str) -> tuple[str, str, str] | None:
    """(name, role, secret); None of a line that is no token, such as a comment."""
    words = line.split()
    is_token = len(words) == 3 and is_name(words[0]) and fault(line) is None
    return (words[0], words[1], words[2]) if is_token else None


def fault(line: str) -> str | None:
    """Why a line is no token, without a word of it; None of one that is, or is not meant to be: empty or a comment."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    if len(words) != 3:
        return f"has {len(words)} word{'' if len(words) == 1 else 's'}"
    if not is_name(words[0]):
        return "has a name of other characters than letters, digits, _ . @ and -"
    if words[1] not in ROLES:
        return "has another role"
    return (
        f"has a secret of fewer than {SHORTEST_SECRET} characters"
        if len(words[2]) < SHORTEST_SECRET
        else None
    )
