"""`celery multi start w1 w2 -c:w1 3 -Q:2-3 images`: one command line per node, as Celery's own reader has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fleet.takeover.options import spelling_key, tokens

_VERBS = frozenset({"start", "restart", "show"})
_OF_MULTI = frozenset({"--nosplash", "--verbose", "--quiet", "--no-color", "-q"})


class Nodes(NamedTuple):
    """The nodes of a `celery multi`."""

    lines: list[tuple[str, tuple[str, ...]]]
    """(name, words of its `celery worker`)."""
    strays: list[str]
    """Options for nodes that are not there."""


def nodes(words: Sequence[str]) -> Nodes | None:
    """None when it starts none: `celery multi stopwait …`. `words` begin with `celery`."""
    at = words.index("multi")
    free: list[str] = []
    given: list[tuple[str, list[str]]] = []
    for spelling, value, written in tokens([*words[1:at], *words[at + 1 :]]):
        if not spelling:
            free.append(value)
        elif written not in _OF_MULTI:
            name, _, whose = spelling.partition(":")
            given.append((whose, _plain(name, value, written)))
    if not free or free[0] not in _VERBS:
        return None
    names = _numbered(free[1:])
    lines = [
        (name, ("celery", "worker", *_for(name, index, names, given)))
        for index, name in enumerate(names, start=1)
    ]
    return Nodes(lines, [" ".join(option) for whose, option in given if whose and not _hits(whose, names)])


def _plain(name: str, value: str, written: str) -> list[str]:
    """The option without the part after the colon."""
    if spelling_key(name) is None:
        return [name]  # nothing of its value, which may be secret
    if name.startswith("--"):
        return [f"{name}={value}"] if value or "=" in written else [name]
    return [name, value] if value else [name]


def _numbered(names: list[str]) -> list[str]:
    """`3` means celery1, celery2, celery3."""
    if len(names) == 1 and names[0].isdigit():
        return [f"celery{number}" for number in range(1, int(names[0]) + 1)]
    return names


def _for(name: str, index: int, names: list[str], given: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Options for all nodes first: those of one node come later, and win."""
    for whose, option in sorted(given, key=lambda pair: bool(pair[0])):
        if not whose or name in _hits(whose, names):
            yield from option


def _hits(whose: str, names: list[str]) -> set[str]:
    """The nodes of `w1`, `w1,w2`, `1-3`, `2,4`; numbers count nodes from 1."""
    found: set[str] = set()
    for part in whose.split(","):
        first, dash, last = part.partition("-")
        if first.isdigit() and (last.isdigit() or not dash):
            found.update(names[int(first) - 1 : int(last or first)])
        elif part in names or any(name.partition("@")[0] == part for name in names):
            found.update(name for name in names if part in (name, name.partition("@")[0]))
    return found
