"""`fleet status --why GROUP`: why the group has as many workers as it has, and what changed that lately."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fleet.cli.views.overrides import how_to_end, override_text
from fleet.cli.views.status import Paint, plain
from fleet.duration_words import measured


def why(group: dict[str, Any], paint: Paint = plain) -> Iterator[str]:
    """In lines, the number first."""
    replicas, scaling = group["replicas"], group.get("scaling")
    noun = "worker" if replicas["desired"] == 1 else "workers"
    yield f"{paint(group['name'], 'head')} should have {replicas['desired']} {noun}; {replicas['ready']} ready"
    override = group.get("override")
    if override is not None and override["replicas"] is not None:
        yield f"  {override_text(override, datetime.now(UTC))}"
        yield f"  {how_to_end(override)} ends that"
    if scaling is None:
        if override is None or override["replicas"] is None:
            yield "  because the file says so; it does not scale by itself"
        return
    target = measured(scaling["target_latency_seconds"])
    yield (
        f"  the autoscaler, with {scaling['min']} to {scaling['max']} replicas "
        f"and nobody to wait longer than {target}, wants {scaling['replicas']}: {scaling['why']}"
    )
    if scaling["numbers"]:
        yield f"  {scaling['numbers']}"
    if scaling["changes"]:
        yield "Lately:"
    for change in reversed(scaling["changes"]):
        numbers = f" ({change['numbers']})" if change["numbers"] else ""
        line = f"  {change['at']}  {change['from']} → {change['to']}: {change['why']}"
        yield line + paint(numbers, "dim")
