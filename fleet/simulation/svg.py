"""The same two curves as a picture, for reports and CI artefacts: one SVG without scripts or fonts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from fleet.simulation.chart import clock
from fleet.simulation.world import History

_WIDTH, _PANEL, _GAP = 900, 130, 46
_LEFT, _RIGHT, _TOP = 70, 20, 40
_INK, _PAPER = "#57606a", "#ffffff"
_COLOURS = {"replicas": "#0969da", "waiting": "#bc4c00"}


def picture(histories: Sequence[History], title: str) -> str:
    height = _TOP + 2 * len(histories) * (_PANEL + _GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="{_PAPER}"/>',
    ]
    top = _TOP
    for history in histories:
        end = max(history.points[-1].at, 1.0)
        for name in ("replicas", "waiting"):
            values = [(point.at, getattr(point, name)) for point in history.points]
            lines += _panel(f"{history.group}: {name}", values, end, top, _COLOURS[name])
            top += _PANEL + _GAP
    return "\n".join([*lines, "</svg>", ""])


def _panel(
    title: str, values: Sequence[tuple[float, int]], end: float, top: float, colour: str
) -> Iterator[str]:
    most = max(1, *(value for _, value in values))
    bottom, right = top + _PANEL, _WIDTH - _RIGHT

    def x(at: float) -> str:
        return f"{_LEFT + (right - _LEFT) * at / end:.1f}"

    def y(value: int) -> str:
        return f"{bottom - _PANEL * value / most:.1f}"

    path = [f"M{x(values[0][0])},{bottom}"]
    before = None
    for at, value in values:
        if value != before:
            # Steps: a number holds until the next one.
            path.append(f"H{x(at)}V{y(value)}")
            before = value
    path.append(f"H{x(end)}V{bottom}Z")
    yield f'<text x="{_LEFT}" y="{top - 8}" font-weight="600">{escape(title)}</text>'
    yield f'<path d="{"".join(path)}" fill="{colour}" fill-opacity=".15" stroke="{colour}"/>'
    yield f'<path d="M{_LEFT},{top}V{bottom}H{right}" fill="none" stroke="{_INK}"/>'
    for text, at_y in ((str(most), top + 8), ("0", bottom)):
        yield f'<text x="{_LEFT - 6}" y="{at_y}" text-anchor="end">{text}</text>'
    for at, anchor in ((0.0, "start"), (end, "end")):
        yield f'<text x="{x(at)}" y="{bottom + 16}" text-anchor="{anchor}">{clock(at)}</text>'
