"""`fleet plan` as data: what the file would do to the running fleet, why, and where the fleet is not as the
file in force says. Nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from fleet.controller.autoscale.decision import begin
from fleet.controller.declared.diff import Difference, of_fleet, of_group
from fleet.controller.declared.effects import Effect
from fleet.controller.declared.pasted import read_pasted
from fleet.controller.declared.reading import read
from fleet.controller.declared.source_lines import Lines
from fleet.controller.log.events import iso
from fleet.controller.observed.observe import LatestReport, Observation, Remarks, SeenWorker, State, observe
from fleet.controller.rollout.dry_run import foresee
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.plan import Action
from fleet.controller.state.effective import effective_state
from fleet.controller.state.overrides import Overrides, shown
from fleet.controller.state.revisions import Revisions
from fleet.fleet_state import FleetState, Group
from fleet.launch_specs import WorkerLaunch
from fleet.program_labels import WorkerLabels
from fleet.slot_names import slot_name
from fleet.supervisor.client import Snapshot

_WELL = (State.READY, State.UNKNOWN, State.DRAINING)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a running fleet. `before` None: it does not run."""

    before: FleetState | None = None
    snapshot: Snapshot | None = None
    revisions: Revisions = field(default_factory=Revisions)
    overrides: Overrides = field(default_factory=Overrides)
    reports: Mapping[int, LatestReport] = field(default_factory=dict)
    scaled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # the slots of groups that scale


def draft(file: Path, env: str | None, known: Known) -> dict[str, Any]:
    """The plan; of a file that is wrong only `diagnostics`, as in `fleet validate --format json`."""
    reading = read(file, env)
    if reading.accepted is None:
        return {"file": str(file), "diagnostics": list(reading.problems)}
    return compose(file, reading.accepted, known, Lines.of(file, env))


def of_text(text: str, file: Path, env: str | None, known: Known) -> dict[str, Any]:
    """The plan of a draft that is pasted, in place of `file`; with all its findings in `diagnostics`."""
    from fleet.config.spans import scan

    pasted = read_pasted(text, file, env)
    said = {"file": str(file), "diagnostics": list(pasted.diagnostics)}
    if pasted.accepted is None:
        return said
    return {**compose(file, pasted.accepted, known, Lines(scan(text), env)), **said}


def compose(file: Path, after: FleetState, known: Known, lines: Lines) -> dict[str, Any]:
    before = known.before
    observation = _observation(known)
    whole = list(of_fleet(before, after)) if before is not None else []
    refused = any(each.effect is Effect.RESTART for each in whole)
    actions = [] if refused else _actions(after, known, observation)
    names = list(dict.fromkeys([*(g.name for g in after.groups), *(a.group for a in actions)]))
    compared = _Compared(before, after, actions, lines, observation)
    groups = [_group(name, compared) for name in names]
    changed = [group for group in groups if group["symbol"] is not None]
    return {
        "file": str(file),
        "fleet": (before or after).fleet,
        "running": before is not None,
        "revision": {"running": before.revision if before else None, "declared": after.revision},
        "changes": bool(changed or whole),
        "fleet_changes": [_shown(each, lines) for each in whole],
        "groups": changed,
        "unchanged": [group["name"] for group in groups if group["symbol"] is None],
        "drift": list(_drift(known, observation)) if before is not None else [],
    }


def _observation(known: Known) -> Observation:
    snapshot = known.snapshot or Snapshot(0, 0, 0.0, stopping=False)
    # Nobody counts as silent here: whether reports stop is the running controller's to judge.
    now = time.monotonic()
    remarks = Remarks(renewals=known.overrides.reasons)
    return observe(snapshot, known.reports, listening_since=now, now=now, remarks=remarks)


def _actions(after: FleetState, known: Known, observation: Observation) -> list[Action]:
    scaled = _scaled(after, known, observation)
    effective = effective_state(after, known.revisions.fit(after), known.overrides.fit_file(after), scaled)
    return foresee(effective, [_as_launched(worker, observation) for worker in observation.workers])


def _scaled(fleet: FleetState, known: Known, observation: Observation) -> dict[str, tuple[int, ...]]:
    """The autoscaler's slots within the bounds of `fleet`; where it says nothing, those of who is there."""
    found = {}
    for group in fleet.groups:
        if group.autoscale is not None:
            present = [w.replica for w in observation.workers if w.group == group.name and not w.leaving]
            found[group.name] = begin(group.autoscale, known.scaled.get(group.name, present), 0.0).slots
    return found


def _as_launched(worker: SeenWorker, observation: Observation) -> SeenWorker:
    """With what its launch file says where it has not reported itself."""
    if worker.live_revision is None and (launch := _launch(worker, observation)) is not None:
        return replace(worker, live_revision=launch.live_revision or None, paused=launch.paused_queues)
    return worker


def _launch(worker: SeenWorker, observation: Observation) -> WorkerLaunch | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        launch_file = Path(WorkerLabels.of(observation.programs[worker.name]).launch_file)
        return WorkerLaunch.from_json(launch_file.read_text())
    return None


class _Compared(NamedTuple):
    before: FleetState | None
    after: FleetState
    actions: Sequence[Action]
    lines: Lines
    observation: Observation


def _group(name: str, compared: _Compared) -> dict[str, Any]:
    """`symbol` is None when nothing happens to the group."""
    before, after, actions, lines, observation = compared
    old = before.group(name) if before is not None else None
    new = after.group(name)
    steps = list(_slots([action for action in actions if action.group == name]))
    reasons = _reasons(old, new, steps, observation) if old is not None and new is not None else []
    return {
        "name": name,
        "symbol": _symbol(old, new, steps, reasons),
        "replicas": {"old": old.replicas if old else None, "new": new.replicas if new else None},
        "reasons": [_shown(each, lines) for each in reasons],
        "lines": lines.header(name),
        "actions": steps,
    }


def _reasons(
    old: Group, new: Group, steps: Sequence[Mapping[str, Any]], observation: Observation
) -> list[Difference]:
    """What the file changes; when it is in force already, what sets apart those who still run as before."""
    if old != new or not steps:
        return list(of_group(old, new))
    outdated = (
        w for w in observation.workers if w.group == new.name and w.revision != new.revision and not w.leaving
    )
    launched = (_launch(worker, observation) for worker in outdated)
    spec = next((launch.spec for launch in launched if launch is not None), new.spec)
    return list(of_group(replace(old, spec=spec), new))


def _symbol(
    old: Group | None, new: Group | None, steps: Sequence[Mapping[str, Any]], reasons: Sequence[Difference]
) -> str | None:
    if old is None or new is None:
        return "-" if new is None else "+"
    symbols = {step["symbol"] for step in steps}
    if "±" in symbols or {"+", "-"} <= symbols:
        return "±"
    for symbol in ("+", "-", "~"):
        if symbol in symbols:
            return symbol
    return "~" if reasons else None


def _slots(actions: Sequence[Action]) -> Iterator[dict[str, Any]]:
    """What happens to each replica, in the order in which that begins."""
    by_slot: dict[int, list[Action]] = {}
    for action in actions:
        by_slot.setdefault(action.replica, []).append(action)
    for replica, mine in by_slot.items():
        symbols = {action.symbol for action in mine}
        symbol = "±" if {"+", "-"} <= symbols else next(s for s in ("+", "-", "~") if s in symbols)
        yield {"symbol": symbol, "worker": slot_name(mine[0].group, replica), "reason": mine[0].reason}


def _shown(difference: Difference, lines: Lines) -> dict[str, Any]:
    return {
        "key": ".".join(difference.path),
        "old": difference.old,
        "new": difference.new,
        "effect": difference.effect.value,
        "lines": lines.of_key(difference.path),
    }


def _drift(known: Known, observation: Observation) -> Iterator[dict[str, Any]]:
    """Overrides, revisions that were rolled back, and replicas that are not at work just now."""
    before = known.before
    assert before is not None
    for override in known.overrides.standing:
        file_says = before.group(override.target)
        numbered = file_says is not None and not override.of_queue and file_says.autoscale is None
        declared = file_says.replicas if numbered and file_says is not None else None
        yield {"kind": "override", "declared": declared, **shown(override, iso)}
    for group in before.groups:
        if mark := known.revisions.failure(group):
            yield {"kind": "rolled back", "group": group.name, "reason": mark.reason}
    for group in effective_state(
        before, known.revisions, known.overrides, _scaled(before, known, observation)
    ).groups:
        at = standing(group, observation.workers, observation.now)
        by_slot = {worker.replica: worker for worker in at.staying}
        for slot in group.slots:
            state = by_slot[slot].state if slot in by_slot else None
            if state not in _WELL:
                yield {"kind": "replica", "worker": slot_name(group.name, slot), "state": state or "missing"}
