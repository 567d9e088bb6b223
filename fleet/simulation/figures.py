"""The figures of a simulation: percentiles of waits, replica counts; and assertions about them. Pure."""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.simulation.world import History

PERCENTILES = (50, 95, 99)

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_ASSERTION = re.compile(r"\s*([\w.-]+?)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")

Figures = dict[str, Any]


class BadAssertion(ValueError):  # noqa: N818
    """An assertion that can't be understood; the text says why."""


def figures(history: History) -> Figures:
    """Of one group: seconds and counts. Waits are null when nothing arrived."""
    waits, points = sorted(history.waits), history.points
    replicas = [point.replicas for point in points]
    return {
        "messages": len(waits),
        "unstarted": history.unstarted,
        "wait": {
            **{f"p{each}": percentile(waits, each) for each in PERCENTILES},
            "max": waits[-1] if waits else None,
            "mean": math.fsum(waits) / len(waits) if waits else None,
        },
        "replicas": {
            "min": min(replicas),
            "max": max(replicas),
            "mean": sum(replicas) / len(replicas),
            "end": replicas[-1],
            "changes": sum(a != b for a, b in itertools.pairwise(replicas)),
        },
        "waiting": {"max": max(point.waiting for point in points), "end": points[-1].waiting},
    }


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value that at least so many percent don't exceed (nearest rank)."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def check(assertion: str, found: Mapping[str, Figures]) -> str | None:
    """None when it holds, else what is instead. As in `http.wait.p99 < 30s`. Raises BadAssertion."""
    match = _ASSERTION.fullmatch(assertion)
    if match is None:
        raise BadAssertion(
            f"{assertion!r}: expected GROUP.FIGURE OPERATOR VALUE, as in 'http.wait.p99 < 30s'"
        )
    path, sign, text = match.groups()
    group, _, figure = path.partition(".")
    if group not in found:
        raise BadAssertion(f"{assertion!r}: there is no group {group!r}; there are: {', '.join(found)}")
    value = _flat(found[group]).get(figure, ...)
    if value is ...:
        names = ", ".join(_flat(found[group]))
        raise BadAssertion(f"{assertion!r}: there is no figure {figure!r}; there are: {names}")
    # Nothing arrived: then nobody waited.
    if _OPERATORS[sign](value or 0.0, _value(text, assertion)):
        return None
    unit = " s" if figure.startswith("wait.") else ""
    return f"{assertion}: it is {value:.4g}{unit}" if value is not None else f"{assertion}: nothing arrived"


def _flat(tree: Figures) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": each for inner, each in value.items()})
        else:
            flat[name] = value
    return flat


def _value(text: str, assertion: str) -> float:
    from fleet.config.units import parse_duration

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        raise BadAssertion(f"{assertion!r}: expected a number or a duration, got {text!r}") from None
