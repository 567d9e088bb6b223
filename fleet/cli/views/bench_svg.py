"""The curves of a bench as a picture: tasks a second by slots, a line for each pool, both scales logarithmic. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log10
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from fleet.advice.measured import Cell
    from fleet.bench.bench_run import Bench

_WIDTH, _PANEL, _GAP = 720, 220, 60
_LEFT, _RIGHT, _TOP = 70, 120, 30
_INK, _PAPER = "#57606a", "#ffffff"
_COLOURS = {
    "prefork": "#bc4c00",
    "gevent": "#0969da",
    "asyncio": "#8250df",
    "threads": "#1a7f37",
    "eventlet": "#bf3989",
    "solo": _INK,
}


def picture(benches: Sequence[Bench]) -> str:
    drawn = [bench for bench in benches if any(cell.rate for cell in bench.cells.values())]
    height = _TOP + len(drawn) * (_PANEL + _GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="{_PAPER}"/>',
    ]
    for index, bench in enumerate(drawn):
        cells = [cell for cell in bench.cells.values() if cell.rate]
        lines += _panel(bench.subject.task, cells, _TOP + index * (_PANEL + _GAP))
    return "\n".join([*lines, "</svg>", ""])


def _panel(title: str, cells: Sequence[Cell], top: float) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, top + _PANEL
    numbers = [cell.setting.concurrency for cell in cells]
    rates = [cell.rate for cell in cells]

    def x(number: float) -> float:
        return _LEFT + (right - _LEFT) * log10(number) / max(1.0, log10(max(numbers)))

    low, high = log10(min(rates)) - 0.2, log10(max(rates)) + 0.1

    def y(rate: float) -> float:
        return bottom - _PANEL * (log10(rate) - low) / (high - low)

    yield f'<text x="{_LEFT}" y="{top - 8}" font-weight="600">{escape(title)}: tasks a second by slots</text>'
    yield f'<path d="M{_LEFT},{top}V{bottom}H{right}" fill="none" stroke="{_INK}"/>'
    for number in sorted({1, *numbers}):
        yield f'<text x="{x(number):.0f}" y="{bottom + 16}" text-anchor="middle">{number}</text>'
    for rate in {min(rates), max(rates)}:
        yield f'<text x="{_LEFT - 6}" y="{y(rate):.0f}" text-anchor="end">{rate:,.3g}</text>'
    for pool in dict.fromkeys(cell.setting.pool for cell in cells):
        own = sorted((cell for cell in cells if cell.setting.pool == pool), key=lambda cell: cell.setting)
        points = [(x(cell.setting.concurrency), y(cell.rate)) for cell in own]
        colour = _COLOURS.get(pool, _INK)
        line = " ".join(f"{across:.0f},{up:.0f}" for across, up in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (
            f'<circle cx="{across:.0f}" cy="{up:.0f}" r="3" fill="{colour}"/>' for across, up in points
        )
        yield f'<text x="{points[-1][0] + 8:.0f}" y="{points[-1][1] + 4:.0f}" fill="{colour}">{pool}</text>'
