"""Spec, the base of plain frozen values that cross process boundaries as JSON, and those of broker, queues and routes.

The controller resolves fleet.toml into these; workers and producers receive them and never read the file. What
processes are launched with is in `launch_specs.py`, which a producer does not load. Standard library only, and nothing
that loads threading or sockets: a worker imports this module before it monkey-patches.
"""

from __future__ import annotations

import functools
import json
import types
import typing
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Self


class Spec:
    """A frozen dataclass that reads itself back from the JSON it writes."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    def to_json(self) -> str:
        return json.dumps(json_value(self), sort_keys=True)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_dict()` output. Raises TypeError on unknown or missing fields."""
        hints = _hints(cls)  # type: ignore[arg-type]  # of course a class can be hashed
        return cls(**{name: _revive(hints.get(name, Any), value) for name, value in data.items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


def later(default: Any) -> Any:
    """A field that is newer than some fleets that run, with what held before it was there.

    Left out of JSON while it says just that: then a file is still read by workers of an older version, and a group's
    revision stays what it was, so that an upgrade is no reason to replace its workers.
    """
    return field(default=default, metadata={"later": True})


def json_value(value: Any) -> Any:
    """As JSON has it: without what is younger than some fleets that run, where it says what held before."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: json_value(getattr(value, each.name))
            for each in fields(value)
            if _is_said(value, each)
        }
    if isinstance(value, dict):
        return {key: json_value(inner) for key, inner in value.items()}
    return [json_value(inner) for inner in value] if isinstance(value, list | tuple) else value


def _is_said(spec: Any, each: Field[Any]) -> bool:
    return not each.metadata.get("later") or getattr(spec, each.name) != each.default


@functools.cache
def _hints(cls: type[Spec]) -> dict[str, Any]:
    """Remembered, for to find them means to compile them: workers report every second."""
    return typing.get_type_hints(cls)


def _revive(hint: Any, value: Any) -> Any:
    """JSON has no tuples and no dataclasses: give `value` back the shape that `hint` names."""
    origin = typing.get_origin(hint)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _revive(inner[0], value) if len(inner) == 1 else value
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_revive(item, each) for each in value)
    if is_dataclass(hint) and isinstance(hint, type) and issubclass(hint, Spec):
        return hint.from_dict(value)
    return value


def renewal_seconds(lease_seconds: float) -> float:
    """How often a lease is renewed: two renewals may be late or lost before it runs out."""
    return lease_seconds / 3


@dataclass(frozen=True, slots=True)
class BrokerSpec(Spec):
    """How to reach the broker. `url` is complete, credentials included: never log it, see `mask_url`."""

    url: str
    accept: tuple[str, ...] = ("json",)
    heartbeat_seconds: float = 30.0
    lease_seconds: float = 30.0
    transport_options: dict[str, Any] = field(default_factory=dict)
    max_message_bytes: int = later(128 * 1024 * 1024)  # of one body, decompressed

    @property
    def renew_every_seconds(self) -> float:
        """How often a worker tells the broker that it lives while its loop can't: often enough for leases, and for
        heartbeats, of which a broker misses two before it gives up.
        """
        return renewal_seconds(min(self.lease_seconds, self.heartbeat_seconds or self.lease_seconds))


@dataclass(frozen=True, slots=True)
class QueueSpec(Spec):
    """A declared queue. `exchange` "" is the default exchange, which routes by queue name."""

    name: str
    exchange: str = ""
    exchange_type: str = "direct"
    routing_key: str = ""
    durable: bool = True
    max_priority: int | None = None
    message_ttl_seconds: float | None = None
    dead_letter: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteSpec(Spec):
    """Task names matching any of `patterns` (globs, case-sensitive) go to `queue`."""

    patterns: tuple[str, ...]
    queue: str
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class RoutingSpec(Spec):
    """All that a producer needs: the broker, every declared queue, the routes in file order."""

    broker: BrokerSpec
    queues: tuple[QueueSpec, ...]
    routes: tuple[RouteSpec, ...]

    def queue(self, name: str) -> QueueSpec:
        """The declared queue called `name`. Raises KeyError."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        raise KeyError(name)
