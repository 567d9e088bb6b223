"""Which figures of the results go into which chart. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import chart, lines
from benchmarks.chart import Bar
from benchmarks.lines import Line, Panel
from benchmarks.results import METRICS, Results
from benchmarks.scaling import Cell
from benchmarks.scenarios import SCENARIOS
from benchmarks.tables import is_ours, is_raw

# Scenario → what its sizes are, and the metrics that are drawn.
LINES = {
    "replicas": ("workers", ("tasks_per_second", "pss_megabytes")),
    "green": ("slots, tasks of 100 ms", ("tasks_per_second", "pss_megabytes")),
    "prefork": ("children", ("tasks_per_second", "pss_megabytes")),
    "backlog": ("messages queued", ("ms_per_message", "pss_megabytes")),
    "million": ("messages queued", ("tasks_per_second", "pss_megabytes")),
}


def all_of(found: Results) -> dict[str, str]:
    """SVG by name, of what was measured."""
    drawn = {"throughput": chart.draw(bars(found))} if "throughput" in found.scenarios else {}
    for scenario, (below, metrics) in LINES.items():
        panels = [Panel(_title(metric), below, series(found, scenario, metric)) for metric in metrics]
        if any(panel.lines for panel in panels):
            drawn[scenario] = lines.draw(panels)
    return drawn


def described(name: str) -> str:
    """In words, for who does not see it."""
    if name not in LINES:
        return "Tasks per second of fleet, its peers and the raw clients"
    below, metrics = LINES[name]
    return f"{' and '.join(map(_title, metrics))} by {below}"


def _title(metric: str) -> str:
    return {"pss_megabytes": "memory (PSS), MB"}.get(metric, METRICS[metric].label)


def series(found: Results, scenario: str, metric: str) -> list[Line]:
    """Lines with all that was measured of them; fleet's are whole, the peers' dashed."""
    points: dict[str, list[tuple[float, float]]] = {}
    theirs = set()
    for cell in SCENARIOS[scenario].contenders:
        if not isinstance(cell, Cell) or not cell.line:
            continue
        value = found.median(scenario, cell.key, metric)
        if value is not None:
            points.setdefault(cell.line, []).append((cell.at, value))
            theirs |= {cell.line} if cell.library != "fleet" else set()
    return [Line(name, places, dashed=name in theirs) for name, places in points.items()]


def bars(found: Results) -> Sequence[tuple[str, list[Bar]]]:
    """Tasks per second, a group for each broker."""
    groups: dict[str, list[Bar]] = {}
    for key in found.scenarios.get("throughput", {}):
        broker, _, name = key.partition(": ")
        value = found.median("throughput", key, "tasks_per_second") or 0.0
        label = name + (" (loses messages)" if key in found.marked else "")
        groups.setdefault(f"{broker}: tasks per second", []).append(Bar(label, value, _kind(key)))
    return list(groups.items())


def _kind(key: str) -> str:
    return "ours" if is_ours(key) else "limit" if is_raw(key) else "theirs"
