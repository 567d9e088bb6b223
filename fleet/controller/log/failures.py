"""The failures of what the controller wants to do: shown by status until it is done, told to whoever commanded it, and
counted for a rollout's deadline. What is only tried, again and again, looks like progress.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fleet.controller.atomic_files import why
from fleet.controller.log.events import EventLog, iso
from fleet.controller.log.throttled import Throttled
from fleet.spec import Spec


@dataclass(frozen=True, slots=True)
class Failed(Spec):
    """`what` and `reason` make a sentence: could not start http/0: the disk is full."""

    what: str
    reason: str
    group: str | None = None  # None: it is about the fleet as a whole

    def __str__(self) -> str:
        return f"could not {self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Since:
    """A failure that has not been mended yet. `monotonic` seconds, `at` a POSIX timestamp, both of its first time."""

    failed: Failed
    monotonic: float
    at: float


class Failures:
    """Each kind of work (actions, memory, …) says after each try all that failed; what it no longer says is over."""

    def __init__(self, log: EventLog) -> None:
        self._throttled = Throttled(log)
        self._standing: dict[tuple[str, str, str | None], Since] = {}

    def tried(self, kind: str, failed: Iterable[Failed]) -> bool:
        """`failed` is all of this kind that could not be done just now. Whether any of it had not failed before."""
        before = self._standing
        now, at = time.monotonic(), time.time()
        kept = {key: since for key, since in before.items() if key[0] != kind}
        for each in failed:
            key = kind, each.what, each.group
            was = before.get(key)
            kept[key] = Since(each, was.monotonic if was else now, was.at if was else at)
            self._throttled.add(str(each))
        self._standing = kept
        return not kept.keys() <= before.keys()

    def tried_one(self, kind: str, what: str, error: OSError | None) -> None:
        """Of a kind that is one thing."""
        self.tried(kind, [] if error is None else [Failed(what, why(error))])

    @property
    def standing(self) -> list[Since]:
        """Oldest first."""
        return sorted(self._standing.values(), key=lambda each: each.monotonic)

    def by_group(self) -> dict[str, Since]:
        """The oldest failure of each group that has any."""
        found: dict[str, Since] = {}
        for each in self.standing:
            if each.failed.group is not None:
                found.setdefault(each.failed.group, each)
        return found

    def concerning(self, groups: Iterable[str]) -> list[str]:
        """In words: those of these groups, and of the fleet as a whole."""
        wanted = {None, *groups}
        return [str(each.failed) for each in self.standing if each.failed.group in wanted]

    def shown(self) -> list[dict[str, Any]]:
        """For status."""
        return [{**each.failed.to_dict(), "since": iso(each.at)} for each in self.standing]
