"""Revisions: the last one of each group that worked, and those that failed.

Pure values, kept on disk as JSON (`StateDir.revisions`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleet.fleet_state import FleetState, Group
from fleet.spec import Spec


@dataclass(frozen=True, slots=True)
class FailedRevision(Spec):
    """A revision of a group whose new workers failed; it is not tried again until the group changes."""

    group: str
    revision: str
    reason: str  # with the last words of the worker that failed
    at: float  # POSIX timestamp


@dataclass(frozen=True, slots=True)
class Revisions(Spec):
    """`trusted` are groups as they were when all their workers were last as declared."""

    trusted: tuple[Group, ...] = ()
    failures: tuple[FailedRevision, ...] = ()

    def trusted_group(self, name: str) -> Group | None:
        return next((group for group in self.trusted if group.name == name), None)

    def failure(self, group: Group) -> FailedRevision | None:
        """Of the declared revision of a group."""
        marks = (each for each in self.failures if each.group == group.name)
        return next((each for each in marks if each.revision == group.revision), None)

    def trust(self, group: Group) -> Revisions:
        others = tuple(each for each in self.trusted if each.name != group.name)
        return replace(self, trusted=(*others, group))

    def mark(self, failure: FailedRevision) -> Revisions:
        others = tuple(each for each in self.failures if each.group != failure.group)
        return replace(self, failures=(*others, failure))

    def pardon(self, *groups: str) -> Revisions:
        """Forget their failures: somebody wants to see them tried again. None named: all."""
        kept = tuple(each for each in self.failures if groups and each.group not in groups)
        return replace(self, failures=kept)

    def fit(self, declared: FleetState) -> Revisions:
        """Forget what concerns groups or revisions that are no longer declared."""
        groups = {group.name: group.revision for group in declared.groups}
        return Revisions(
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
