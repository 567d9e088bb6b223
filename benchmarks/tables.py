"""Markdown of what was measured: medians, how near they are to the raw client, how far before the peers."""

from __future__ import annotations

import statistics

from benchmarks.results import METRICS, Results, shown


def of_scenario(found: Results, scenario: str) -> str:
    """Medians, with the range of the rounds behind the first."""
    rows = found.scenarios.get(scenario, {})
    metrics = [name for name in METRICS if any(name in row for row in rows.values())]
    compared = _Compared(found, scenario, metrics[0] if metrics else "")
    heads = ["broker", "", *(METRICS[name].label for name in metrics), *compared.heads]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for key, row in rows.items():
        broker, _, name = key.partition(": ")
        title = f"**{name}**" if name.startswith("fleet") else name
        mark = " †" if key in found.marked else ""
        cells = [_cell(row.get(metric), spread=index == 0) for index, metric in enumerate(metrics)]
        lines.append("| " + " | ".join([broker, title + mark, *cells, *compared.cells(key)]) + " |")
    return "\n".join(lines)


class _Compared:
    """Ratios of one metric: fleet to the fastest raw client of its broker, and fleet to each peer."""

    def __init__(self, found: Results, scenario: str, metric: str) -> None:
        self._found, self._scenario, self._metric = found, scenario, metric
        self._keys = list(found.scenarios.get(scenario, {}))
        has_peers = any(is_ours(key) for key in self._keys) and any(map(_is_theirs, self._keys))
        self._with_raw = any(map(is_raw, self._keys))
        self._with_peers = has_peers and scenario in _SIDE_BY_SIDE
        self.heads = [
            *(["of the raw client"] if self._with_raw else []),
            *(["fleet ahead by"] if self._with_peers else []),
        ]

    def cells(self, key: str) -> list[str]:
        found = []
        if self._with_raw:
            share = self._ratio(key, self._limit(key)) if is_ours(key) else None
            found.append("" if share is None else f"{share:.0%}")
        if self._with_peers:
            gain = self._gain(self._counterpart(key), key) if _is_theirs(key) else None
            found.append("" if gain is None else f"{shown(gain)} times")
        return found

    def _limit(self, key: str) -> str:
        raws = [each for each in self._keys if is_raw(each) and _broker(each) == _broker(key)]
        rate = self._found.median
        return max(raws, key=lambda each: rate(self._scenario, each, self._metric) or 0.0, default="")

    def _counterpart(self, key: str) -> str:
        """Fleet's same pool, else its first row of that broker."""
        same = key.replace("Celery", "fleet").removesuffix(" tuned")
        ours = [each for each in self._keys if is_ours(each) and _broker(each) == _broker(key)]
        return same if same in ours else next(iter(ours), "")

    def _ratio(self, one: str, other: str) -> float | None:
        return self._found.ratio(self._scenario, self._metric, one, other)

    def _gain(self, ours: str, theirs: str) -> float | None:
        pair = (ours, theirs) if METRICS[self._metric].more_is_better else (theirs, ours)
        return self._ratio(*pair)


# Where each row is another who does the same; elsewhere rows are sizes, or different things.
_SIDE_BY_SIDE = frozenset({"throughput", "io", "latency", "publish", "fairness"})


def _broker(key: str) -> str:
    return key.partition(": ")[0]


def is_ours(key: str) -> bool:
    return key.partition(": ")[2].startswith("fleet")


def is_raw(key: str) -> bool:
    return key.partition(": ")[2].startswith("raw")


def _is_theirs(key: str) -> bool:
    return not is_ours(key) and not is_raw(key)


def _cell(values: list[float] | None, *, spread: bool) -> str:
    if not values:
        return ""
    middle = shown(statistics.median(values))
    if not spread or len(values) < 2:
        return middle
    return f"{middle} ({shown(min(values))} to {shown(max(values))})"
