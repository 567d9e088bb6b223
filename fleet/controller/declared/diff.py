"""The difference that an edit makes, key by key as the file says them, with secrets masked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.broker.urls import mask_url
from fleet.controller.declared.effects import EFFECTS, Effect
from fleet.fleet_state import AlertSettings, Autoscale, Dashboard, FleetState, Group, RolloutPolicy
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec

MASKED = "***"
KeyPath = tuple[str, ...]

# Where a field of a WorkerSpec stands in the file, if not under its own name in its group.
_ELSEWHERE: dict[str, KeyPath] = {"app": ("fleet", "app"), "pythonpath": ("fleet", "pythonpath")}
# Where a field of AlertSettings stands.
_ALERT_KEYS: dict[str, KeyPath] = {
    "webhook_file": ("alerts", "webhook_file"),
    "command": ("alerts", "command"),
    "repeat_seconds": ("alerts", "repeat"),
    "waits": ("queues", "alert_wait"),
    "no_success": ("queues", "alert_no_success"),
}
_NOT_OF_THE_GROUP = ("fleet", "group", "broker", "queues", "environment", *_ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` as in the file: ("workers", "http", "concurrency"). Values are fit to be shown; None: not set."""

    path: KeyPath
    old: Any
    new: Any
    effect: Effect


def of_fleet(before: FleetState, after: FleetState) -> Iterator[Difference]:
    """What concerns no worker group: name, state directory, dashboard, routes, how rollouts go."""
    yield from _differ(("fleet", "name"), before.fleet, after.fleet)
    yield from _differ(("fleet", "state_dir"), before.state_dir, after.state_dir)
    yield from _dashboard(before.dashboard, after.dashboard)
    yield from _differ(
        ("history", "max_size"), *(_value("history_bytes", each.history_bytes) for each in (before, after))
    )
    yield from _alerts(before.alerts, after.alerts)
    old, new = ([_route(each) for each in some.routing.routes] for some in (before, after))
    yield from _differ(("routes",), old, new, EFFECTS["routes.task"])
    yield from _differ(("fleet", "beat"), before.beat, after.beat, Effect.LIVE)
    yield from _differ(("fleet", "beat_scheduler"), before.beat_scheduler, after.beat_scheduler, Effect.LIVE)
    yield from _schedules(before, after)
    if before.groups and after.groups:  # each group has all of them
        yield from _rollout(before.groups[0].rollout, after.groups[0].rollout)


def refusals(before: FleetState, after: FleetState) -> list[Difference]:
    """Why a running fleet can't take `after`, if it can't."""
    return [each for each in of_fleet(before, after) if each.effect is Effect.RESTART]


def of_group(before: Group, after: Group) -> Iterator[Difference]:
    """Replace-class first."""
    yield from sorted(_of_group(before, after), key=lambda each: each.effect is Effect.LIVE)


def _of_group(before: Group, after: Group) -> Iterator[Difference]:
    own = ("workers", after.name)
    was, now = before.spec.to_dict(), after.spec.to_dict()
    for name, value in now.items():
        if name in _ELSEWHERE:
            yield from _differ(_ELSEWHERE[name], was[name], value)
        elif name not in _NOT_OF_THE_GROUP:
            yield from _differ((*own, _key(name)), _value(name, was[name]), _value(name, value))
    yield from _environment(own, before.spec.environment, after.spec.environment)
    yield from _broker(before.spec.broker, after.spec.broker)
    yield from _queues(own, before.spec.queues, after.spec.queues)
    yield from _differ((*own, "replicas"), _replicas(before), _replicas(after))
    yield from _differ((*own, "singleton"), before.singleton, after.singleton)
    yield from _differ((*own, "on"), list(before.on), list(after.on))


def _replicas(group: Group) -> Any:
    """As the file says it: a number, or a table."""
    scale = group.autoscale
    return group.replicas if scale is None else _settings(scale)


def _settings(scale: Autoscale) -> dict[str, Any]:
    return {_key(name): _value(name, value) for name, value in scale.to_dict().items()}


def _dashboard(before: Dashboard | None, after: Dashboard | None) -> Iterator[Difference]:
    was, now = (board.to_dict() if board else {} for board in (before, after))
    for name in was | now:
        yield from _differ(("dashboard", name), was.get(name), now.get(name))


def _alerts(before: AlertSettings | None, after: AlertSettings | None) -> Iterator[Difference]:
    was, now = (alerts.to_dict() if alerts else {} for alerts in (before, after))
    for name, path in _ALERT_KEYS.items():
        old, new = was.get(name), now.get(name)
        if path[0] == "alerts":
            yield from _differ(path, _value(name, old), _value(name, new))
            continue
        for queue in sorted({*(old or {}), *(new or {})}):
            was_set, is_set = ((some or {}).get(queue) for some in (old, new))
            yield from _differ(
                ("queues", queue, path[-1]), _value("_seconds", was_set), _value("_seconds", is_set)
            )


def _rollout(before: RolloutPolicy, after: RolloutPolicy) -> Iterator[Difference]:
    was = before.to_dict()
    for name, value in after.to_dict().items():
        yield from _differ(("rollout", _key(name)), _value(name, was[name]), _value(name, value))


def _broker(before: BrokerSpec, after: BrokerSpec) -> Iterator[Difference]:
    was = before.to_dict()
    for name, value in after.to_dict().items():
        if was[name] == value:
            continue
        match name:
            case "url":
                old, new = mask_url(was[name]), mask_url(value)
            case "transport_options":
                old, new = MASKED, MASKED
            case _:
                old, new = _value(name, was[name]), _value(name, value)
        yield Difference(("broker", _key(name)), old, new, Effect.REPLACE)


def _queues(
    own: KeyPath, before: tuple[QueueSpec, ...], after: tuple[QueueSpec, ...]
) -> Iterator[Difference]:
    old, new = ([queue.name for queue in some] for some in (before, after))
    yield from _differ((*own, "queues"), old, new)
    known = {queue.name: queue.to_dict() for queue in before}
    for queue in after:
        was = known.get(queue.name, queue.to_dict())
        for name, value in queue.to_dict().items():
            path = ("queues", queue.name, _key(name))
            yield from _differ(path, _value(name, was[name]), _value(name, value))


def _environment(own: KeyPath, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            old, new = (MASKED if name in some else None for some in (before, after))
            yield Difference((*own, "env", name), old, new, Effect.REPLACE)


def _differ(path: KeyPath, old: Any, new: Any, effect: Effect | None = None) -> Iterator[Difference]:
    if old != new:
        key = f"{path[0]}.{path[-1]}"
        yield Difference(path, old, new, effect or EFFECTS[key])


def _key(field: str) -> str:
    return field.removesuffix("_seconds").removesuffix("_bytes")


def _value(field: str, value: Any) -> Any:
    from datetime import timedelta

    from fleet.config.units import format_duration, format_size

    if value is not None and field.endswith("_seconds"):
        return format_duration(timedelta(seconds=value))
    if value is not None and field.endswith("_bytes"):
        return format_size(value)
    return value


def _schedules(before: FleetState, after: FleetState) -> Iterator[Difference]:
    """By name. Arguments may be secrets: that they differ is said, not how."""
    old, new = ({each.name: each.to_dict() for each in some.schedules} for some in (before, after))
    for name in {**old, **new}:
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            yield from _differ(("schedules", name), _when(was), _when(now), Effect.LIVE)
            continue
        for field, value in now.items():
            path = ("schedules", name, _key(field))
            if field in ("args", "kwargs") and was[field] != value:
                yield Difference(path, MASKED, MASKED, Effect.LIVE)
            else:
                yield from _differ(path, _value(field, was[field]), _value(field, value))


def _when(schedule: Mapping[str, Any] | None) -> str | None:
    """As the file says it."""
    if schedule is None:
        return None
    every = _value("every_seconds", schedule["every_seconds"])
    return f"every {every}" if every else f"{schedule['cron']} ({schedule['timezone']})"


def _route(route: RouteSpec) -> str:
    priority = "" if route.priority is None else f" priority {route.priority}"
    return f"{', '.join(route.patterns)} → {route.queue}{priority}"
