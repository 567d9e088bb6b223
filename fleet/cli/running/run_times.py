"""Times that runs of schedules take: by what workers have counted, else by the last one that the scheduler knows of."""

from __future__ import annotations

import json

from fleet.cli.running.evidence import numbers_of_tasks
from fleet.config.model import Fleet
from fleet.config.resolve import state_dir
from fleet.rules.schedules.sending import RunTime, queue_of
from fleet.telemetry import RETRIED, WALL

_WEEK_SECONDS = 7 * 86_400.0


def run_times(fleet: Fleet) -> dict[str, RunTime]:
    """By schedule; those of which nothing is known on this machine are left out."""
    last = _last_runs(fleet)
    found = {name: RunTime(1, seconds) for name, seconds in last.items()}
    numbers = numbers_of_tasks(state_dir(fleet), _WEEK_SECONDS)
    for schedule in fleet.schedules:
        counts = numbers.get((queue_of(fleet, schedule) or "", schedule.task))
        if counts and (ran := int(sum(counts[: RETRIED + 1]))):
            found[schedule.called] = RunTime(ran, counts[WALL] / ran)
    return found


def _last_runs(fleet: Fleet) -> dict[str, float]:
    """By schedule how many seconds its last run took, as its scheduler on this machine remembers."""
    try:
        known = json.loads(state_dir(fleet).schedules_known.read_text(encoding="utf-8"))["schedules"]
        ends = {str(name): (note.get("end") or {}).get("seconds") for name, note in known.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: float(seconds) for name, seconds in ends.items() if isinstance(seconds, int | float)}
