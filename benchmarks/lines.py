"""Line charts as SVG, one panel for each metric, side by side over the same sizes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.chart import picture

_WIDTH, _HEIGHT = 300, 200  # pixels of a panel's field
_LEFT, _RIGHT, _GAP, _TOP, _BOTTOM = 62, 36, 90, 40, 62
_COLUMN, _ROW = 240, 20  # of the legend
# Told apart by eyes of every kind (Okabe and Ito), and on white as on black.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#999999", "#b22222")
_STYLE = (
    ".grid{stroke:#768390;stroke-opacity:.25}.small{font-size:11px}"
    "path{fill:none;stroke-width:2}.theirs{fill:none;stroke-dasharray:5 4}.ours{fill:none}"
)


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Panel(NamedTuple):
    title: str  # with the unit
    below: str  # what the sizes are
    lines: Sequence[Line]


@dataclass(frozen=True)
class Scale:
    """Powers of `base` for sizes and rates that go over several; else from zero, evenly."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        low, high = min(values), max(values)
        if low > 0 and high / low > _WIDE:
            return cls(10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high)), True)
        return cls(0.0, _round_up(high), False)

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        if self.logarithmic:
            return math.log10(value / self.low) / math.log10(self.high / self.low)
        return value / self.high

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return [self.high * part / 4 for part in range(5)]
        decades = round(math.log10(self.high / self.low))
        return [self.low * 10**each for each in range(decades + 1)]


_WIDE = 20.0


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power * (1 + 1e-9))


def draw(panels: Sequence[Panel]) -> str:
    """All panels are of the same lines, told apart in one legend."""
    legend = list({line.name: line for panel in panels for line in panel.lines}.values())
    colours = {line.name: _COLOURS[number % len(_COLOURS)] for number, line in enumerate(legend)}
    parts: list[str] = []
    for number, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + number * (_WIDTH + _GAP), colours)
    top, width = _TOP + _HEIGHT + _BOTTOM, _LEFT + len(panels) * (_WIDTH + _GAP) - _GAP + _RIGHT
    columns = max(1, (width - _LEFT) // _COLUMN)
    for number, line in enumerate(legend):
        x, y = _LEFT + number % columns * _COLUMN, top + number // columns * _ROW
        parts.append(f'<path {_stroke(line, colours)} d="M{x},{y - 4}h26"/>')
        parts.append(f'<text x="{x + 34}" y="{y}">{escape(line.name)}</text>')
    return picture(width, top + -(-len(legend) // columns) * _ROW, parts, _STYLE)


def _panel(panel: Panel, left: int, colours: Mapping[str, str]) -> Iterator[str]:
    values = [value for line in panel.lines for _, value in line.points]
    sizes = sorted({at for line in panel.lines for at, _ in line.points})
    if not values:
        return
    across, up = Scale(sizes[0], sizes[-1], True), Scale.of(values)

    def x(at: float) -> str:
        return f"{left + (across.place(at) if sizes[0] < sizes[-1] else 0.5) * _WIDTH:.1f}"

    def y(value: float) -> str:
        return f"{_TOP + (1 - up.place(value)) * _HEIGHT:.1f}"

    yield f'<text class="title" x="{left}" y="22">{escape(panel.title)}</text>'
    for tick in up.ticks():
        yield f'<path class="grid" d="M{left},{y(tick)}h{_WIDTH}"/>'
        yield f'<text class="small" x="{left - 6}" y="{float(y(tick)) + 4:.1f}" text-anchor="end">{short(tick)}</text>'
    bottom = _TOP + _HEIGHT
    for size in sizes:
        yield f'<text class="small" x="{x(size)}" y="{bottom + 16}" text-anchor="middle">{size:,.0f}</text>'
    middle = f'x="{left + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle"'
    yield f'<text class="small" {middle}>{escape(panel.below)}</text>'
    for line in panel.lines:
        places = [f"{x(at)},{y(value)}" for at, value in sorted(line.points)]
        yield f'<path {_stroke(line, colours)} d="M{" L".join(places)}"/>'
        for place in places:
            cx, cy = place.split(",")
            yield f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colours[line.name]}"/>'


def _stroke(line: Line, colours: Mapping[str, str]) -> str:
    return f'class="{"theirs" if line.dashed else "ours"}" stroke="{colours[line.name]}"'


def short(value: float) -> str:
    """As people write on an axis."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
