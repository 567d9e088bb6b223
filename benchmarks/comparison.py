"""Two results files beside each other: has a change made it faster or slower?"""

from __future__ import annotations

from benchmarks.results import METRICS, Results, shown

_NOISE = 1.1  # less than a tenth says nothing on a machine that others use


def compare(old: Results, new: Results) -> str:
    """Markdown: NEW / OLD of every metric in both files."""
    lines = ["| scenario | | metric | old | new | new/old | |", "|---|---|---|---:|---:|---:|---|"]
    for scenario, rows in new.scenarios.items():
        for key, row in rows.items():
            for metric in row:
                before, after = old.median(scenario, key, metric), new.median(scenario, key, metric)
                if before and after is not None and metric in METRICS:
                    lines.append(
                        f"| {scenario} | {key} | {METRICS[metric].label} | {shown(before)} | {shown(after)} "
                        f"| {after / before:.2f} | {verdict(metric, after / before)} |"
                    )
    return "\n".join(lines)


def verdict(metric: str, ratio: float) -> str:
    """`better`, `worse`, or nothing within the noise."""
    gain = ratio if METRICS[metric].more_is_better else (1 / ratio if ratio else float("inf"))
    if gain > _NOISE:
        return "better"
    return "worse" if gain < 1 / _NOISE else ""
