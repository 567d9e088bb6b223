"""Globs on task names (`*`, `?`, `[abc]`): does one cover another, is there a name that both match?"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase

_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?[]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def covers(general: str, special: str) -> bool:
    """True only if every name that `special` matches is matched by `general`; False when in doubt.

    Exact for patterns of plain characters, `?` and `*`; a `[…]` of `special` is covered by `*`, `?` or
    itself.
    """
    # Nearly all pairs of a long list of routes differ at their beginning.
    if not special.startswith(_WILD.split(general, maxsplit=1)[0]):
        return False
    wide, narrow = _TOKEN.findall(general), _TOKEN.findall(special)
    # reachable[j]: wide[:j] can have matched the tokens of `narrow` read so far.
    reachable = _after_stars({0}, wide)
    for piece in narrow:
        following = set()
        for at in reachable:
            if at < len(wide) and wide[at] == "*":
                following.add(at)
            elif at < len(wide) and piece != "*" and _takes(wide[at], piece):
                following.add(at + 1)
        reachable = _after_stars(following, wide)
    return len(wide) in reachable


def _takes(wide: str, piece: str) -> bool:
    if wide in ("?", piece):
        return True
    return len(piece) == 1 and piece != "?" and fnmatchcase(piece, wide)


def _after_stars(positions: set[int], wide: list[str]) -> set[int]:
    """A star may match nothing."""
    reached = set(positions)
    for at in positions:
        stars = 0
        while wide[at + stars : at + stars + 1] == ["*"]:
            stars += 1
            reached.add(at + stars)
    return reached


def in_both(one: str, other: str) -> str | None:
    """A short name that both patterns match; None if there is none, or only a far-fetched one."""
    # As in `covers`: nearly all pairs differ before their first wildcard.
    for mine, yours in zip(_WILD.split(one, maxsplit=1)[0], _WILD.split(other, maxsplit=1)[0], strict=False):
        if mine != yours:
            return None
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)
    # Breadth first over (read of one, read of other): the first way to the end is a shortest name.
    waiting, seen = deque([(0, 0, "")]), {(0, 0)}
    while waiting:
        at, there, name = waiting.popleft()
        if (at, there) == (len(left), len(right)):
            return name
        for step in _steps(left[at : at + 1], right[there : there + 1]):
            following = (at + step[0], there + step[1])
            if following not in seen:
                seen.add(following)
                waiting.append((*following, name + step[2]))
    return None


def _steps(left: list[str], right: list[str]) -> Iterator[tuple[int, int, str]]:
    """(pieces read of each, letter) for the pieces that come next."""
    if left == ["*"]:
        yield 1, 0, ""
        if right and right != ["*"]:
            yield 0, 1, _letter(right[0], "?") or ""
    if right == ["*"]:
        yield 0, 1, ""
        if left and left != ["*"]:
            yield 1, 0, _letter(left[0], "?") or ""
    if left and right and "*" not in (*left, *right):
        letter = _letter(left[0], right[0])
        if letter:
            yield 1, 1, letter


def _letter(one: str, other: str) -> str | None:
    """A letter that both pieces match."""
    likely = [piece for piece in (one, other) if len(piece) == 1 and piece != "?"] or _LETTERS
    return next((c for c in likely if fnmatchcase(c, one) and fnmatchcase(c, other)), None)
