"""The overrides that people have put over the file for a time: other numbers of replicas, pauses, restarts. Pure
values, kept on disk as JSON (`StateDir.overrides`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleet.fleet_state import FleetState, Group
from fleet.spec import Spec

REPLICAS = ("scale", "drain")
"""Verbs that say how many: of these a group has one at most."""

MOST_REPLICAS = 2_000
"""From here on a number is a slip of the finger; `fleet validate` says so of the file (FLT315)."""

LONGEST_SECONDS = 3650 * 86400.0
"""Whatever is to last longer has no end; and dates beyond the year 9999 can't be shown."""

LONGEST_WORDS = 500
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Override(Spec):
    """`target` is a group, or a queue if `of_queue`. POSIX timestamps; `until` None: until lifted."""

    verb: str  # "scale" | "drain" | "pause"
    target: str
    actor: str
    since: float
    replicas: int | None = None  # of scale and drain
    reason: str | None = None
    until: float | None = None
    of_queue: bool = False

    def rivals(self, other: Override) -> bool:
        """Whether they are about the same thing."""
        same = (self.target, self.of_queue) == (other.target, other.of_queue)
        return same and (self.verb == other.verb or {self.verb, other.verb} <= set(REPLICAS))


@dataclass(frozen=True, slots=True)
class Renewal(Spec):
    """One program that shall be replaced by another just like it."""

    program: str  # the supervisor's full name
    reason: str


@dataclass(frozen=True, slots=True)
class Overrides(Spec):
    """All of them; every change is a new value. `edition` counts the restarts."""

    standing: tuple[Override, ...] = ()
    renewals: tuple[Renewal, ...] = ()
    edition: int = 0

    def put(self, override: Override) -> Overrides:
        others = tuple(each for each in self.standing if not each.rivals(override))
        return replace(self, standing=(*others, override))

    def lift(self, verbs: Collection[str], target: str, *, of_queue: bool = False) -> Overrides:
        kept = tuple(
            each
            for each in self.standing
            if not (each.verb in verbs and (each.target, each.of_queue) == (target, of_queue))
        )
        return replace(self, standing=kept)

    def expired(self, timestamp: float) -> tuple[Override, ...]:
        return tuple(each for each in self.standing if each.until is not None and each.until <= timestamp)

    def without(self, some: Collection[Override]) -> Overrides:
        return replace(self, standing=tuple(each for each in self.standing if each not in some))

    def renew(self, programs: Collection[str], reason: str) -> Overrides:
        kept = tuple(each for each in self.renewals if each.program not in programs)
        renewals = (*kept, *(Renewal(name, reason) for name in programs))
        return replace(self, renewals=renewals, edition=self.edition + 1)

    def fit(self, programs: Collection[str]) -> Overrides:
        """Forget renewals of programs that are gone."""
        kept = tuple(each for each in self.renewals if each.program in programs)
        return self if kept == self.renewals else replace(self, renewals=kept)

    def fit_file(self, declared: FleetState) -> Overrides:
        """Forget what concerns groups and queues that are no longer declared."""
        groups = {group.name for group in declared.groups}
        queues = {queue.name for queue in declared.routing.queues}
        kept = (each for each in self.standing if each.target in (queues if each.of_queue else groups))
        return replace(self, standing=tuple(kept))

    def concerning(self, group: Group) -> tuple[Override, ...]:
        """How many first, then pauses."""
        own = [each for each in self.standing if each.target == group.name and not each.of_queue]
        queues = {queue.name for queue in group.spec.queues}
        shared = [each for each in self.standing if each.of_queue and each.target in queues]
        return (*sorted(own, key=lambda each: each.verb == "pause"), *shared)

    def replicas(self, group: Group) -> int | None:
        """How many workers of it are wanted; None: nobody has said."""
        numbers = (each.replicas for each in self.concerning(group) if each.verb in REPLICAS)
        return next(numbers, None)

    def paused(self, group: Group) -> tuple[str, ...]:
        """The queues that its workers shall not consume, sorted."""
        pauses = [each for each in self.concerning(group) if each.verb == "pause"]
        if any(not each.of_queue for each in pauses):
            return tuple(sorted(queue.name for queue in group.spec.queues))
        return tuple(sorted(each.target for each in pauses))

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why which program shall be replaced."""
        return {each.program: each.reason for each in self.renewals}


def shown(override: Override, iso: Any) -> dict[str, Any]:
    """For `status` and `plan`."""
    return {
        "verb": override.verb,
        "queue" if override.of_queue else "group": override.target,
        "replicas": override.replicas,
        "actor": override.actor,
        "reason": override.reason,
        "since": iso(override.since),
        "until": iso(override.until) if override.until is not None else None,
    }
