"""Tables that fit a terminal, and numbers short enough for them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

Row = dict[str, Any]

_GAP = "  "
_NARROWEST = 6


@dataclass(frozen=True, slots=True)
class Column:
    """`value` gives the text of a row, `role` the role of its colour; the one that `shrinks` makes room."""

    title: str
    value: Callable[[Row], str]
    right: bool = False
    shrinks: bool = False
    role: Callable[[Row], str] = lambda _row: ""


def table(
    columns: Sequence[Column], rows: Sequence[Row], width: int, paint: Callable[[str, str], str]
) -> Iterator[str]:
    """A line of titles and one per row, at most `width` wide if shrinking a column achieves that."""
    cells = [[column.value(row) for column in columns] for row in rows]
    widths = [
        max(len(column.title), *(len(line[index]) for line in cells)) for index, column in enumerate(columns)
    ]
    excess = sum(widths) + len(_GAP) * (len(columns) - 1) - width
    for index, column in enumerate(columns):
        if column.shrinks and excess > 0:
            widths[index] = max(_NARROWEST, widths[index] - excess)
    yield paint(_line([column.title for column in columns], columns, widths), "dim")
    for row, line in zip(rows, cells, strict=True):
        roles = [column.role(row) for column in columns]
        yield _line(line, columns, widths, [partial(_painted, paint, role) for role in roles])


def _painted(paint: Callable[[str, str], str], role: str, text: str) -> str:
    return paint(text, role)


def _line(
    cells: Sequence[str],
    columns: Sequence[Column],
    widths: Sequence[int],
    paints: Sequence[Callable[[str], str]] = (),
) -> str:
    parts = []
    for index, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        padding = " " * (width - len(text))
        # Padding first, paint second: escape sequences have no width on the screen.
        shown = paints[index](text) if paints else text
        parts.append(padding + shown if column.right else shown + padding)
    return _GAP.join(parts).rstrip()


def compact(number: float) -> str:
    """1,042 · 99,999 · 123k · 4.2M"""
    if number < 100_000:
        return f"{number:,.0f}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:.1f}M"


def size(count: float) -> str:
    """61 MB · 1.2 GB"""
    return f"{count / 1e9:.1f} GB" if count >= 999.5e6 else f"{count / 1e6:.0f} MB"
