"""The overrides in words: who put what over the file, when, how long still, why, and how it ends. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.duration_words import roughly


def override_text(override: dict[str, Any], now: datetime) -> str:
    """As in: http has 4 workers: `fleet scale` by alice 2 min ago, 58 min left (a campaign)."""
    number, declared = override["replicas"], override.get("declared")
    if number is None:
        what = "is paused"
    else:
        what = f"has {number or 'no'} worker{'' if number == 1 else 's'}"
        what += f" instead of {declared}" if declared is not None else ""
    left = f", {roughly(-_age(override['until'], now))} left" if override["until"] else ""
    why = f" ({override['reason']})" if override["reason"] else ""
    by = f"`fleet {override['verb']}` by {override['actor']} {roughly(_age(override['since'], now))} ago"
    return f"{_target(override)} {what}: {by}{left}{why}"


def how_to_end(override: dict[str, Any]) -> str:
    """The command that takes it back."""
    if "queue" in override:
        return f"`fleet resume --queue {override['queue']}`"
    if override["verb"] == "scale":
        return f"`fleet scale {override['group']}=file`"
    return f"`fleet resume {override['group']}`"


def _target(override: dict[str, Any]) -> str:
    return f"queue {override['queue']}" if "queue" in override else str(override["group"])


def _age(stamp: str, now: datetime) -> float:
    """Seconds since; negative before."""
    return (now - datetime.fromisoformat(stamp)).total_seconds()
