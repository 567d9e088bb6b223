"""The figures in docs/performance.md: what stands between its markers is written anew, the words are not touched.

A marker is `<!-- benchmarks: NAME -->`, up to `<!-- end -->`; NAME is a scenario, `targets` or `machine`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from benchmarks import charts, tables, targets
from benchmarks.processes import ROOT
from benchmarks.results import Results
from benchmarks.wanted import WANTED

PAGE = ROOT / "docs" / "performance.md"
CHARTS = ROOT / "docs" / "charts"
SHORTFALLS = "## Where it falls short"
BLOCK = re.compile(r"(<!-- benchmarks: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(found: Results, page: Path = PAGE, folder: Path = CHARTS) -> list[str]:
    """What a person still has to write: see `unexplained`."""
    drawn = charts.all_of(found)
    text = filled(page.read_text(), found, drawn)
    page.write_text(text)
    folder.mkdir(exist_ok=True)
    for name, drawing in drawn.items():
        (folder / f"{name}.svg").write_text(drawing)
    return unexplained(text, found)


def filled(text: str, found: Results, drawn: Collection[str] = ()) -> str:
    """`drawn`: which of the charts there are."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{_content(block[2], found, drawn)}\n\n{block[3]}", text)


def _content(name: str, found: Results, drawn: Collection[str]) -> str:
    match name:
        case "targets":
            return targets.table(found)
        case "machine":
            return _machine(found)
    if name not in found.scenarios:
        return "Not measured yet."
    picture = f"![{charts.described(name)}](charts/{name}.svg)\n\n" if name in drawn else ""
    return picture + tables.of_scenario(found, name)


def _machine(found: Results) -> str:
    facts = found.machine
    versions = ", ".join(f"{name} {number}" for name, number in sorted(found.versions.items()))
    before, after = (" ".join(map(str, facts.get(f"load_{when}", []))) for when in ("before", "after"))
    quick = "A quick run: no measurement. " if facts.get("quick") else ""
    return (
        f"{quick}Measured {facts['at']} on {facts['system']}, {facts['cpus']} CPUs, Python {facts['python']}; "
        f"load averages {before} before, {after} after.\n{versions}."
    )


def unexplained(text: str, found: Results) -> list[str]:
    """Missed targets without a heading of their name under SHORTFALLS, and headings whose target is met by now."""
    _, _, section = text.partition(SHORTFALLS)
    explained = set(re.findall(r"^### (.+)$", section.partition("\n## ")[0], re.MULTILINE))
    missed = targets.missed(found)
    return [
        *(f"missed, and not explained: {name}" for name in WANTED if name in missed - explained),
        *(f"explained, but not missed: {name}" for name in sorted(explained - missed)),
    ]
