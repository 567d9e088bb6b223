"""Figures as SVG, readable on a light and on a dark page: text only, nothing to download. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_ROW, _TITLE, _LEFT, _BAR, _RIGHT = 20, 34, 250, 430, 80  # pixels
STYLE = (
    "text{font:13px sans-serif;fill:#768390}.title{font-weight:bold;font-size:14px}"
    ".ours{fill:#0969da}.theirs{fill:#8c959f}.limit{fill:#d4a72c}"
)


class Bar(NamedTuple):
    label: str
    value: float
    kind: str  # ours | theirs | limit: its colour


def draw(groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Each group with a scale of its own, longest bars first."""
    parts: list[str] = []
    top = 0
    for title, bars in groups:
        parts.append(f'<text class="title" x="8" y="{top + 22}">{escape(title)}</text>')
        top += _TITLE
        longest = max((bar.value for bar in bars), default=0.0) or 1.0
        for bar in sorted(bars, key=lambda bar: -bar.value):
            parts += _row(bar, top, bar.value / longest * _BAR)
            top += _ROW
    return picture(_LEFT + _BAR + _RIGHT, top + 12, parts)


def picture(width: int, height: int, parts: Sequence[str], style: str = "") -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">'
    return "\n".join([head, f"<style>{STYLE}{style}</style>", *parts, "</svg>"]) + "\n"


def _row(bar: Bar, top: int, length: float) -> list[str]:
    middle = top + _ROW - 6
    return [
        f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{_LEFT}" y="{top + 3}" width="{length:.1f}" height="{_ROW - 6}"/>',
        f'<text x="{_LEFT + length + 6:.1f}" y="{middle}">{bar.value:,.0f}</text>',
    ]
