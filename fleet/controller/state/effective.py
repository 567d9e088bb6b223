"""The effective configuration: the file, and what is put over it for a time. Pure.

The planner only ever sees the result, so whoever decides something puts it in here: rollbacks (the revisions),
people (overrides), the autoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleet.controller.state.overrides import Overrides
from fleet.controller.state.revisions import Revisions
from fleet.fleet_state import FleetState, Group

_NOBODY_SCALES: Mapping[str, tuple[int, ...]] = {}


def effective_state(
    declared: FleetState,
    revisions: Revisions,
    overrides: Overrides | None = None,
    scaled: Mapping[str, tuple[int, ...]] = _NOBODY_SCALES,
) -> FleetState:
    """`scaled`: by group, the slots that the autoscaler wants to be filled."""
    overrides = overrides or Overrides()
    groups = (_group(each, revisions, overrides, scaled) for each in declared.groups)
    return replace(declared, groups=tuple(groups))


def _group(
    declared: Group, revisions: Revisions, overrides: Overrides, scaled: Mapping[str, tuple[int, ...]]
) -> Group:
    group = replace(revisions.revised(declared), paused=overrides.paused(declared), edition=overrides.edition)
    if not group.here:
        return replace(group, replicas=0, autoscale=None)
    # A person counts more than the autoscaler, and that more than the file.
    if (said := overrides.replicas(declared)) is not None:
        # It may have become a singleton since.
        return replace(group, replicas=min(said, 1) if group.singleton else said)
    if declared.autoscale is not None and (seats := scaled.get(declared.name)) is not None:
        return replace(group, replicas=len(seats), seats=seats)
    return group
