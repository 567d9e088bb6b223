"""Bars of text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.simulation.world import History, Point

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LABEL_COLUMNS = 8


def charts(history: History, width: int, *, height: int = 4) -> Iterator[str]:
    """Replicas and what waited over time, one below the other, and the axis."""
    points, columns = history.points, max(10, width - _LABEL_COLUMNS - 1)
    for title, values in (
        ("replicas", [point.replicas for point in points]),
        ("waiting", [point.waiting for point in points]),
    ):
        yield f"{history.group} {title}"
        yield from bars(squeeze(values, columns), height)
    yield _axis(points, min(columns, len(points)))


def squeeze(values: Sequence[int], columns: int) -> list[int]:
    """At most so many values: each the largest of those that it stands for."""
    if len(values) <= columns:
        return list(values)
    edges = [round(index * len(values) / columns) for index in range(columns + 1)]
    return [max(values[start:end]) for start, end in zip(edges, edges[1:], strict=False)]  # noqa: RUF007


def bars(values: Sequence[int], height: int) -> Iterator[str]:
    """Rows from the top; the largest value is the label of the first, 0 that of the last."""
    most = max(values, default=0)
    steps = height * 8
    scaled = [0 if not most else max(bool(value), round(value * steps / most)) for value in values]
    for row in reversed(range(height)):
        label = str(most) if row == height - 1 else "0" if row == 0 else ""
        line = "".join(_EIGHTHS[min(8, max(0, each - row * 8))] for each in scaled)
        yield f"{label:>{_LABEL_COLUMNS}} {line}".rstrip()


def _axis(points: Sequence[Point], columns: int) -> str:
    end = clock(points[-1].at)
    return f"{'':>{_LABEL_COLUMNS}} {'0:00':<{max(0, columns - len(end))}}{end}"


def clock(seconds: float) -> str:
    """As in 1:02:05 or 7:30."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
