"""Apply the fixes of findings to the text: several passes, none with edits that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import tomli

from fleet.config.load import Loaded
from fleet.config.source import Source
from fleet.config.spans import Spans
from fleet.diagnostics import Diagnostic, Fix

_MOST_PASSES = 50


@dataclass(frozen=True, slots=True)
class Fixed:
    """`left`: the mended text and what is still wrong with it. `count`: findings that were mended."""

    left: Loaded
    count: int

    @property
    def text(self) -> str:
        return self.left.source.text

    def waiting_for_unsafe(self) -> int:
        """Findings whose only fix is a guess."""
        return sum(1 for each in self.left.diagnostics if each.fix and not each.fix.safe)


def mend(source: Source, look: Callable[[Source], Loaded], *, unsafe: bool) -> Fixed:
    """Apply what may be applied until nothing is left to do. `look` checks a text.

    The text that comes out has been checked by `look` as it is. Edits that would leave no TOML behind, or a
    text that was there before, are not made.
    """
    left, count, seen = look(source), 0, {source.text}
    for _ in range(_MOST_PASSES):
        text, applied = _one_pass(left, unsafe)
        if text in seen:
            break
        seen.add(text)
        count += applied
        left = look(source._replace(text=text))
    return Fixed(left, count)


def _one_pass(loaded: Loaded, unsafe: bool) -> tuple[str, int]:
    """The text after as many fixes as don't get into each other's way, and how many findings they mend."""
    text = loaded.source.text
    fixes = list(_allowed(loaded.diagnostics, unsafe))
    together = _compatible(fixes, text)
    # A fix that breaks the text is a bug of its rule: it must not take the others with it.
    for batch in (together, *([fix] for fix in together)):
        mended = apply(batch, text)
        if mended != text and _is_toml(mended):
            return mended, sum(fix in batch for fix in fixes)
    return text, 0


def _allowed(found: Iterable[Diagnostic], unsafe: bool) -> Iterator[Fix]:
    return (each.fix for each in found if each.fix and (each.fix.safe or unsafe))


def _compatible(fixes: Sequence[Fix], text: str) -> list[Fix]:
    """First come, first served; a fix is made as a whole or waits for the next pass."""
    spans = Spans(text)
    chosen: list[Fix] = []
    taken: list[tuple[int, int]] = []
    for fix in dict.fromkeys(fixes):
        wanted = [(start, end) for start, end, _ in _cuts(fix, spans)]
        if all(_apart(one, other) for one in wanted for other in taken):
            chosen.append(fix)
            taken += wanted
    return chosen


def _apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Two insertions at one place get into each other's way: which comes first would be chance."""
    return one[0] != other[0] and (one[1] <= other[0] or other[1] <= one[0])


def apply(fixes: Iterable[Fix], text: str) -> str:
    """The text with all edits made; they must not overlap."""
    spans = Spans(text)
    cuts = (cut for fix in fixes for cut in _cuts(fix, spans))
    done, parts = 0, list[str]()
    for start, end, new in sorted(cuts, key=lambda cut: cut[:2]):
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def _cuts(fix: Fix, spans: Spans) -> list[tuple[int, int, str]]:
    """(start, end, new text) of each edit, as offsets."""
    return [
        (
            spans.offset(edit.span.line, edit.span.column),
            spans.offset(edit.span.end_line, edit.span.end_column),
            edit.text,
        )
        for edit in fix.edits
    ]


def _is_toml(text: str) -> bool:
    try:
        tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError):
        return False
    return True
