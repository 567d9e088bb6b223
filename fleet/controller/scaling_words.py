"""Autoscaling in words: for the event log, `fleet status --why` and `fleet simulate`. Pure."""

from __future__ import annotations

from fleet.controller.scaling import Decision
from fleet.controller.scaling_need import Reckoning


def said(group: str, decision: Decision) -> str:
    """As in: http 1 → 4 replicas: 4 needed (120 wait, the oldest for 12 s; 9/s arrive; …)."""
    noun = "replica" if decision.replicas == 1 else "replicas"
    facts = f" ({reckoned(decision.reckoning)})" if decision.reckoning else ""
    return f"{group} {decision.before} → {decision.replicas} {noun}: {decision.why}{facts}"


def reckoned(numbers: Reckoning) -> str:
    """The numbers behind a decision, as in: 120 wait, the oldest for 12 s; 3 in flight; 9/s arrive."""
    oldest = f", the oldest for {_seconds(numbers.oldest_seconds)}" if numbers.oldest_seconds else ""
    wait = "1 waits" if numbers.waiting == 1 else f"{numbers.waiting} wait"
    parts = [f"{wait}{oldest}", f"{numbers.in_flight} in flight"]
    parts.append(f"{_number(numbers.arrivals_per_second)}/s arrive")
    if numbers.task_seconds is not None:
        parts.append(f"a task takes {_seconds(numbers.task_seconds)}")
    parts.append(f"{numbers.slots_per_replica} at once per replica")
    return "; ".join(parts)


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _number(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"
