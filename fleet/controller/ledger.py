"""What became of rollouts and must not be forgotten: the last revision of each group that worked, and those
that failed. Pure values, kept on disk as JSON (`StateDir.ledger`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleet.controller.desired import Accepted, Group
from fleet.controller.observe import State
from fleet.controller.rollout import Standing
from fleet.spec import Spec


@dataclass(frozen=True, slots=True)
class Failure(Spec):
    """A revision of a group whose new workers failed; it is not tried again until the group changes."""

    group: str
    revision: str
    reason: str  # with the last words of the worker that failed
    at: float  # POSIX timestamp


@dataclass(frozen=True, slots=True)
class Ledger(Spec):
    """`trusted` are groups as they were when all their workers were last as declared."""

    trusted: tuple[Group, ...] = ()
    failures: tuple[Failure, ...] = ()

    def trusted_group(self, name: str) -> Group | None:
        return next((group for group in self.trusted if group.name == name), None)

    def failure(self, group: Group) -> Failure | None:
        """Of the declared revision of a group."""
        marks = (each for each in self.failures if each.group == group.name)
        return next((each for each in marks if each.revision == group.revision), None)

    def trust(self, group: Group) -> Ledger:
        others = tuple(each for each in self.trusted if each.name != group.name)
        return replace(self, trusted=(*others, group))

    def mark(self, failure: Failure) -> Ledger:
        others = tuple(each for each in self.failures if each.group != failure.group)
        return replace(self, failures=(*others, failure))

    def pardon(self, *groups: str) -> Ledger:
        """Forget their failures: somebody wants to see them tried again. None named: all."""
        kept = tuple(each for each in self.failures if groups and each.group not in groups)
        return replace(self, failures=kept)

    def fit(self, declared: Accepted) -> Ledger:
        """Forget what concerns groups or revisions that are no longer declared."""
        groups = {group.name: group.revision for group in declared.groups}
        return Ledger(
            tuple(each for each in self.trusted if each.name in groups),
            tuple(each for each in self.failures if groups.get(each.group) == each.revision),
        )

    def revised(self, group: Group) -> Group:
        """The group as it should run: the declared one, or the trusted one when that has failed.

        How many, and how they are replaced, is the declared one's to say either way.
        """
        trusted = self.trusted_group(group.name)
        if trusted is None or self.failure(group) is None:
            return group
        return replace(group, spec=trusted.spec, singleton=group.singleton or trusted.singleton)


def to_trust(at: Standing, ledger: Ledger) -> bool:
    """Whether the group has shown that it works as it is, so that it is something to go back to.

    At first one ready worker is proof enough: an edit may come at any time.
    """
    ready = {worker.replica for worker in at.current if worker.state is State.READY}
    if ledger.trusted_group(at.group.name) is None:
        return bool(ready)
    return bool(ready) and not at.outdated and ready == set(at.group.slots)


def to_roll_back(at: Standing, ledger: Ledger) -> bool:
    """Whether new workers of the declared revision have failed so that the old ones should stay or return.

    As long as the old ones are at work, or if it was the rollout that took them down.
    """
    group = at.group
    trusted = ledger.trusted_group(group.name)
    if group.rollout.on_failure != "rollback" or trusted is None or trusted.revision == group.revision:
        return False
    return at.halted or (group.max_unavailable > 0 and any(map(at.stuck, at.current)))
