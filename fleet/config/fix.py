"""Apply the fixes of findings to the text: several passes, none with edits that overlap."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
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
    """`left`: the mended text and what is still wrong with it. `count`: findings that were mended.

    `unsafe`: guesses were allowed. `more`: there is more to mend, which another run does.
    """

    left: Loaded
    count: int
    unsafe: bool = False
    more: bool = False

    @property
    def text(self) -> str:
        return self.left.source.text

    def waiting_for_unsafe(self) -> int:
        """Findings whose only fix is a guess."""
        return sum(1 for each in self.left.diagnostics if each.fix and not each.fix.safe)


def mend(source: Source, look: Callable[[Source], Loaded], *, unsafe: bool) -> Fixed:
    """Apply what may be applied until nothing is left to do. `look` checks a text.

    The text that comes out has been checked by `look` as it is. Not made is an edit that would leave no TOML behind,
    a text that was there before, or a finding that was not there: with `unsafe`, an error.
    """
    left, count, seen = look(source), 0, {source.text}
    refused: set[Fix] = set()
    for _ in range(_MOST_PASSES):
        fixes = [fix for fix in _allowed(left.diagnostics, unsafe) if fix not in refused]
        after, made = _harmless(left, _compatible(fixes, left.source.text), look, unsafe=unsafe)
        # After an edit the same words at another place are another fix; one that did harm is refused where it was.
        refused = {*refused, *(set(fixes) - set(made))} if not made else set()
        if not made or after.source.text in seen:
            return Fixed(left, count, unsafe)
        seen.add(after.source.text)
        count += sum(fix in set(made) for fix in fixes)
        left = after
    return Fixed(left, count, unsafe, more=any(True for _ in _allowed(left.diagnostics, unsafe)))


def _harmless(
    left: Loaded, fixes: Sequence[Fix], look: Callable[[Source], Loaded], *, unsafe: bool
) -> tuple[Loaded, list[Fix]]:
    """The text after those of the fixes that do no harm, and which these are. Halves are tried where all do."""
    made: list[Fix] = []
    after = left
    waiting = [list(fixes)]
    while waiting:
        batch = waiting.pop()
        text = apply([*made, *batch], left.source.text)
        if not batch or text == after.source.text:
            continue
        then = look(left.source._replace(text=text)) if _is_toml(text) else None
        if then is not None and not _is_worse(left, then, unsafe=unsafe):
            made, after = [*made, *batch], then
        elif len(batch) > 1:
            middle = len(batch) // 2
            waiting += [batch[middle:], batch[:middle]]
    return after, made


def _is_worse(before: Loaded, after: Loaded, *, unsafe: bool) -> bool:
    """Whether something is found that was not found before; of guesses, whether it is an error."""
    counted = [each for each in after.diagnostics if not unsafe or each.severity == "error"]
    words = {(each.code, each.message) for each in before.diagnostics}
    places = {(each.code, each.path) for each in before.diagnostics}
    if any(
        (each.code, each.message) not in words and (each.code, each.path) not in places for each in counted
    ):
        return True
    numbers = Counter(each.code for each in before.diagnostics)
    return any(number > numbers[code] for code, number in Counter(each.code for each in counted).items())


def _allowed(found: Iterable[Diagnostic], unsafe: bool) -> Iterator[Fix]:
    return (each.fix for each in found if each.fix and (each.fix.safe or unsafe))


def _compatible(fixes: Iterable[Fix], text: str) -> list[Fix]:
    """First come, first served; a fix is made as a whole or waits for the next pass."""
    spans = Spans(text)
    chosen: list[Fix] = []
    taken: list[tuple[int, int]] = []
    for fix in dict.fromkeys(fixes):
        wanted = [(start, end) for start, end, _ in _cuts(fix, spans)]
        if all(_is_free(each, taken) for each in wanted):
            chosen.append(fix)
            for each in wanted:
                insort(taken, each)
    return chosen


def _is_free(wanted: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    """Two insertions at one place get into each other's way: which comes first would be chance.

    `taken` is sorted and apart, so that only the neighbours count.
    """
    start, end = wanted
    at = bisect_left(taken, (start, -1))
    before, after = taken[at - 1 : at], taken[at : at + 1]
    return all(stop <= start for _, stop in before) and all(
        begin != start and end <= begin for begin, _ in after
    )


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
