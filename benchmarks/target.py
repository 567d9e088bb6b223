"""A figure to be reached, beside a peer or alone, and whether a run has reached it."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.results import METRICS, Results
from benchmarks.tables import is_ours, is_raw

FASTEST = "*"  # as `theirs`, behind the broker: the best of all peers


class Target(NamedTuple):
    """`ours` has at least `wanted` times what `theirs` has, or at most where less is better.

    Without `theirs` it is the figure itself. `than` is their metric where it is not the same.
    """

    what: str
    scenario: str
    metric: str
    ours: str
    theirs: str
    wanted: float
    less: bool = False
    than: str = ""

    def beside(self, found: Results) -> str:
        """The key of whom it is compared with; empty for nobody, or nobody that was measured."""
        if not self.theirs.endswith(FASTEST):
            return self.theirs
        metric = self.than or self.metric
        broker = self.theirs.removesuffix(FASTEST)
        rivals = [
            (value, key)
            for key in found.scenarios.get(self.scenario, {})
            if key.startswith(broker) and not is_ours(key) and not is_raw(key)
            if (value := found.median(self.scenario, key, metric)) is not None
        ]
        best = max if METRICS[metric].more_is_better else min
        return best(rivals)[1] if rivals else ""

    def reached(self, found: Results) -> float | None:
        if not self.theirs:
            return found.median(self.scenario, self.ours, self.metric)
        return found.ratio(self.scenario, self.metric, self.ours, self.beside(found), self.than)

    def holds(self, figure: float) -> bool:
        return figure <= self.wanted if self.less else figure >= self.wanted
