"""What an edit changes, key by key as the file says them, with secrets masked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.broker.urls import mask_url
from fleet.controller.desired import Accepted, Autoscale, Dashboard, Group, RolloutPolicy
from fleet.controller.effects import EFFECTS, Effect
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec

MASKED = "***"
KeyPath = tuple[str, ...]

# Where a field of a WorkerSpec stands in the file, if not under its own name in its group.
_ELSEWHERE: dict[str, KeyPath] = {"app": ("fleet", "app"), "pythonpath": ("fleet", "pythonpath")}
_NOT_OF_THE_GROUP = ("fleet", "group", "broker", "queues", "environment", *_ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` as in the file: ("workers", "http", "concurrency"). Values are fit to be shown; None: not set."""

    path: KeyPath
    old: Any
    new: Any
    effect: Effect


def of_fleet(before: Accepted, after: Accepted) -> Iterator[Difference]:
    """What concerns no worker group: name, state directory, dashboard, routes, how rollouts go."""
    yield from _differ(("fleet", "name"), before.fleet, after.fleet)
    yield from _differ(("fleet", "state_dir"), before.state_dir, after.state_dir)
    yield from _dashboard(before.dashboard, after.dashboard)
    old, new = ([_route(each) for each in some.routing.routes] for some in (before, after))
    yield from _differ(("routes",), old, new, EFFECTS["routes.task"])
    if before.groups and after.groups:  # each group has all of them
        yield from _rollout(before.groups[0].rollout, after.groups[0].rollout)


def refusals(before: Accepted, after: Accepted) -> list[Difference]:
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


def _route(route: RouteSpec) -> str:
    priority = "" if route.priority is None else f" priority {route.priority}"
    return f"{', '.join(route.patterns)} → {route.queue}{priority}"
