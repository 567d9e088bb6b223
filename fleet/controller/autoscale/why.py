"""Autoscaling in words: for the event log, `fleet status --why` and `fleet simulate`. Pure."""

from __future__ import annotations

from fleet.controller.autoscale.decision import Decision
from fleet.controller.autoscale.need import NeedEstimate
from fleet.duration_words import measured


def said(group: str, decision: Decision) -> str:
    """As in: http 1 → 4 replicas: 4 needed (120 wait, the oldest for 12 s; 9/s arrive; …)."""
    noun = "replica" if decision.replicas == 1 else "replicas"
    facts = f" ({in_numbers(decision.estimate)})" if decision.estimate else ""
    return f"{group} {decision.before} → {decision.replicas} {noun}: {decision.why}{facts}"


def in_numbers(numbers: NeedEstimate) -> str:
    """The numbers behind a decision, as in: 120 wait, the oldest for 12 s; 3 in flight; 9/s arrive."""
    oldest = f", the oldest for {measured(numbers.oldest_seconds)}" if numbers.oldest_seconds else ""
    wait = "1 waits" if numbers.waiting == 1 else f"{numbers.waiting} wait"
    parts = [f"{wait}{oldest}", f"{numbers.in_flight} in flight"]
    parts.append(f"{_number(numbers.arrivals_per_second)}/s arrive")
    if numbers.task_seconds is not None:
        parts.append(f"a task takes {measured(numbers.task_seconds)}")
    parts.append(f"{numbers.slots_per_replica} at once per replica")
    return "; ".join(parts)


def _number(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"
