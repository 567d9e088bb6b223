"""Which of what is `wanted` a run has reached."""

from __future__ import annotations

from benchmarks.results import Results, shown
from benchmarks.target import Target
from benchmarks.wanted import WANTED


def missed(found: Results) -> set[str]:
    """Rows of which something was measured and falls short."""
    return {
        row
        for row, of_it in WANTED.items()
        for target in of_it
        if (figure := target.reached(found)) is not None and not target.holds(figure)
    }


def table(found: Results) -> str:
    """Markdown: every target, measured or not."""
    lines = ["| | what | beside | asked | reached | met |", "|---|---|---|---:|---:|---|"]
    for row, of_it in WANTED.items():
        for number, target in enumerate(of_it):
            lines.append(f"| {row if number == 0 else ''} | {_cells(target, found)} |")
    return "\n".join(lines)


def _cells(target: Target, found: Results) -> str:
    figure = target.reached(found)
    other = "" if target.theirs == target.ours else target.beside(found)
    unit = " times" if target.theirs else ""
    asked = f"{'≤' if target.less else '≥'} {shown(target.wanted)}{unit}"
    reached = "not measured" if figure is None else f"{shown(figure)}{unit}"
    met = "" if figure is None else "yes" if target.holds(figure) else "**no**"
    return " | ".join([target.what, other.partition(": ")[2], asked, reached, met])
