"""What was measured, with the machine and the versions: a JSON file, medians and ratios."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peers
from benchmarks.contenders import Contender
from benchmarks.processes import ROOT


class Metric(NamedTuple):
    label: str
    more_is_better: bool


METRICS = {
    "tasks_per_second": Metric("tasks/s", True),
    "cpu_seconds_per_1000": Metric("CPU s per 1,000", False),
    "ms_per_message": Metric("ms per message", False),
    "start_seconds": Metric("first task after s", False),
    "ready_seconds": Metric("all ready after s", False),
    "seconds": Metric("s", False),
    "cpu_seconds": Metric("CPU s", False),
    "p50_ms": Metric("p50 ms", False),
    "p99_ms": Metric("p99 ms", False),
    "extra_p50_ms": Metric("extra wait p50 ms", False),
    "extra_p99_ms": Metric("extra wait p99 ms", False),
    "extra_most_ms": Metric("most ms", False),
    "per_second": Metric("sends/s", True),
    "batch_per_second": Metric("batched sends/s", True),
    "cpu_percent": Metric("CPU %", False),
    "wakeups_per_second": Metric("wake-ups/s", False),
    "pss_megabytes": Metric("PSS MB", False),
    "redis_requests_per_second": Metric("Redis requests/s", False),
}


@dataclass
class Results:
    """`scenarios`: scenario → "broker: contender" → metric → one value a round."""

    machine: dict[str, Any]
    versions: dict[str, str]
    scenarios: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)  # contenders that lose messages when killed

    @classmethod
    def of_this_machine(cls, brokers: dict[str, str], *, quick: bool) -> Results:
        machine = {
            "quick": quick,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load_before": [round(each, 1) for each in os.getloadavg()],
            "at": time.strftime("%Y-%m-%d %H:%M"),
        }
        return cls(machine, {**_versions(), **brokers})

    @classmethod
    def read(cls, path: Path) -> Results:
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        self.machine["load_after"] = [round(each, 1) for each in os.getloadavg()]
        # Whole or not at all: an hour may be in there.
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(vars(self), indent=1) + "\n")
        part.replace(path)

    def add(self, scenario: str, contender: Contender, numbers: dict[str, float]) -> None:
        row = self.scenarios.setdefault(scenario, {}).setdefault(contender.key, {})
        for metric, value in numbers.items():
            row.setdefault(metric, []).append(value)
        if contender.loses and contender.key not in self.marked:
            self.marked.append(contender.key)

    def median(self, scenario: str, key: str, metric: str) -> float | None:
        values = self.scenarios.get(scenario, {}).get(key, {}).get(metric)
        return statistics.median(values) if values else None

    def ratio(self, scenario: str, metric: str, one: str, other: str, other_metric: str = "") -> float | None:
        """The median of the ratios of the rounds: what the machine did meanwhile hit both.

        Where a round of either failed they are no pairs: the ratio of the medians.
        """
        rows = self.scenarios.get(scenario, {})
        first = rows.get(one, {}).get(metric, [])
        second = rows.get(other, {}).get(other_metric or metric, [])
        if not first or not second or not all(second):
            return None
        if len(first) != len(second):
            return statistics.median(first) / statistics.median(second)
        return statistics.median(mine / its for mine, its in zip(first, second, strict=True))

    def rounds(self, scenario: str, key: str) -> int:
        """How many there are of a contender."""
        return max(map(len, self.scenarios.get(scenario, {}).get(key, {}).values()), default=0)


def shown(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"


def _versions() -> dict[str, str]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {"fleet": commit.stdout.strip() or "?", **peers.versions()}
