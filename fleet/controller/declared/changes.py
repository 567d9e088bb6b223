"""The changes by an edit of fleet.toml, in phrases for the event log. Pure."""

from __future__ import annotations

from fleet.fleet_state import FleetState, Group


def config_changes(before: FleetState | None, after: FleetState) -> list[str]:
    """What an edit changes, one phrase for each thing; [] when it is nothing that matters."""
    if before is None:
        return [_counted(len(after.groups), "worker group"), *_new_schedules(after)]
    said = []
    for group in after.groups:
        old = before.group(group.name)
        said += [f"{group.name}: new group"] if old is None else _group_changes(old, group)
    said += [f"{old.name}: removed" for old in before.groups if after.group(old.name) is None]
    if before.routing != after.routing:
        said.append("routing")
    if (before.beat, before.beat_scheduler) != (after.beat, after.beat_scheduler):
        said.append("beat")
    return said + _schedule_changes(before, after)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _new_schedules(after: FleetState) -> list[str]:
    return [_counted(len(after.schedules), "schedule")] if after.schedules else []


def _schedule_changes(before: FleetState, after: FleetState) -> list[str]:
    old, new = ({each.name: each for each in some.schedules} for some in (before, after))
    said = [f"schedule {name}: new" for name in new if name not in old]
    said += [f"schedule {name}: removed" for name in old if name not in new]
    return said + [f"schedule {name}: changed" for name in new if name in old and old[name] != new[name]]


def _group_changes(old: Group, new: Group) -> list[str]:
    said = []
    was, now = old.spec.to_dict(), new.spec.to_dict()
    # Names only: values may be secrets, and `fleet plan` has room for them.
    changed = [key.removesuffix("_seconds").removesuffix("_bytes") for key in now if was[key] != now[key]]
    if changed:
        said.append(f"{new.name}: {', '.join(changed)} changed")
    if old.replicas != new.replicas:
        said.append(f"{new.name}: replicas {old.replicas} → {new.replicas}")
    if old.autoscale != new.autoscale and old.replicas == new.replicas:
        said.append(f"{new.name}: autoscaling")
    if (old.rollout, old.singleton) != (new.rollout, new.singleton) and not said:
        said.append(f"{new.name}: rollout settings")
    return said
