"""Did you mean ...?: the known name that a mistyped one is nearest to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    from difflib import get_close_matches  # most files have nothing to guess

    there = list(names)
    same = next((each for each in there if each.casefold() == name.casefold()), None)
    return same or next(iter(get_close_matches(name, there, 1, cutoff)), None)


class Names:
    """Many names, of which the nearest to others are asked for: difflib sees the few that are near at all.

    To compare each mistyped name with each declared one takes minutes in a long file. Names that differ by one or
    two letters have a form in common in which one letter is left out, and those forms can be looked up.
    """

    _FEW = 50

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._folded = {each.casefold(): each for each in reversed(self._names)}
        self._forms: dict[str, list[str]] = {}
        self._known: dict[tuple[str, float], str | None] = {}
        if len(self._names) > self._FEW:
            for name in self._names:
                for form in _forms(name):
                    self._forms.setdefault(form, []).append(name)

    def nearest(self, name: str, cutoff: float = 0.6) -> str | None:
        if (name, cutoff) not in self._known:
            same = self._folded.get(name.casefold())
            self._known[name, cutoff] = same or nearest(name, self._near(name), cutoff)
        return self._known[name, cutoff]

    def _near(self, name: str) -> Iterable[str]:
        if not self._forms:
            return self._names
        found = (other for form in _forms(name) for other in self._forms.get(form, ())[: self._FEW])
        return islice(dict.fromkeys(found), self._FEW)


def _forms(name: str) -> Iterable[str]:
    """The name, and it without each of its letters; of a very long one only its beginning counts."""
    name = name[:64]
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}
