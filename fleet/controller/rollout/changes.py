"""The changes of rollouts between two looks at the fleet, in lines for the event log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.controller.log.event_line import EventLine
from fleet.controller.rollout.progress import RolloutView


def rollout_changes(before: Sequence[RolloutView], after: Sequence[RolloutView]) -> Iterator[EventLine]:
    """Started, halted, rolled back, going on again, finished; per group."""
    was = {view.group: view for view in before}
    for view in after:
        known = was.pop(view.group, None)
        if known is None:
            yield "INFO", f"rollout of {view.group} started"
        if view.state != "progressing" and (known is None or known.state != view.state):
            yield "ERROR", f"rollout of {view.group} {view.state}: {view.reason}"
        elif known is not None and known.state != "progressing" and view.state == "progressing":
            yield "INFO", f"rollout of {view.group} goes on"
    for gone in was.values():
        if gone.state != "rolled back":
            yield "INFO", f"rollout of {gone.group} finished"
