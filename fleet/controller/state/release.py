"""Keeps the state directory where its path leads to, and takes over what waits in a file of the embedded broker to
which the path has led before.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fleet.broker.delivery import BrokerUnavailable
from fleet.controller.atomic_files import why
from fleet.controller.log.events import EventLog
from fleet.controller.log.failures import Failed, Failures
from fleet.fleet_state import FleetState
from fleet.release_link import LEFT, follow, has_moved
from fleet.running_supervisors import supervisor_of
from fleet.spec import BrokerSpec
from fleet.statedir import StateDir

_KEPT_SECONDS = 600.0
"""Who has opened the file that was replaced may still write into it for a while."""

_LINK_SECONDS, _LOOK_SECONDS = 10.0, 0.1
_SCHEME = "sqlite:///"


def follow_release(state: StateDir) -> Path | None:
    """Where the directory was, if it has just been moved. Raises OSError when it should be and can't."""
    supervisor = supervisor_of(os.getppid())
    if supervisor is None or supervisor.root != state.root or not has_moved(state, supervisor.home):
        return None
    return supervisor.home if follow(state, supervisor.home) else None


def await_release(state: StateDir) -> None:
    """While a link on the way to the directory leads nowhere: who makes it anew may take a moment for that, and nobody
    may put a folder in its place.
    """
    until = time.monotonic() + _LINK_SECONDS
    while not state.root.parent.is_dir() and time.monotonic() < until:
        supervisor = supervisor_of(os.getppid())
        if supervisor is None or not supervisor.home.is_dir():
            return
        time.sleep(_LOOK_SECONDS)


def earlier_releases(state: StateDir, broker_file: Path) -> Iterator[Path]:
    """Where `broker_file` may have been while a link on the way to the state directory led to another release.

    Only beside directories whose fleet was entered by the very path of this one: others there are other fleets.
    """
    for link in state.root.parents:
        if not link.is_symlink() or not broker_file.is_relative_to(link):
            continue
        target = Path(os.path.realpath(link))
        with suppress(OSError):
            for release in target.parent.iterdir():
                directory = StateDir(release / state.root.relative_to(link))
                if release != target and _entered_by(directory) == str(state.root):
                    yield release / broker_file.relative_to(link)


def _entered_by(state: StateDir) -> str | None:
    """The path by which the last fleet there was entered, by what it wrote down itself."""
    try:
        found = json.loads(state.accepted_config.read_text())["state_dir"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, str) else None


class LeftMessages:
    """Files of the embedded broker that nobody consumes any more, since a link leads to another one."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._path: Path | None = None  # as the file says it
        self._home: Path | None = None  # where that led to at the last look
        self._left: set[Path] = set()
        self._seen: dict[Path, float] = {}  # since when each of the replaced is known, monotonic seconds

    def take_over(self, broker: BrokerSpec) -> int:
        """How many messages of them are on the broker now. Raises OSError or BrokerUnavailable."""
        if not broker.url.startswith(f"{_SCHEME}/"):
            return 0
        path = Path(broker.url.removeprefix(_SCHEME))
        self._remember(path)
        found = [each for each in self._left if each.exists()]
        found += [each / path.name for each in self._replaced() if (each / path.name).exists()]
        count = 0
        if found:
            from fleet.broker.sqlite.take_over import take_over

            count = sum(take_over(path, left) for left in found)
        self._tidy()
        return count

    def _remember(self, path: Path) -> None:
        home = Path(os.path.realpath(path.parent)) / path.name
        if self._path is None:  # the link may have been swapped while nothing ran
            self._left |= {each for each in earlier_releases(self._state, path) if each.exists()}
        if self._path == path and self._home is not None and self._home != home and self._home.exists():
            self._left.add(self._home)
        self._left.discard(home)
        self._path, self._home = path, home

    def _replaced(self) -> list[Path]:
        """What lay where the state directory came to lie."""
        return list((self._state.root / LEFT).glob("*"))

    def _tidy(self) -> None:
        for folder in self._replaced():
            if time.monotonic() - self._seen.setdefault(folder, time.monotonic()) > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (self._state.root / LEFT).rmdir()


class Release:
    """What the controller does in each look about the link on the way to its state directory."""

    def __init__(self, state: StateDir, failures: Failures, log: EventLog) -> None:
        self._state = state
        self._failures = failures
        self._log = log
        self._left = LeftMessages(state)

    async def look(self, declared: FleetState | None) -> None:
        """The link may be another one since the last look."""
        try:
            before = await asyncio.to_thread(follow_release, self._state)
            if before is not None:
                self._log.info(
                    f"{self._state.root} leads to another folder now: moved there from {before.parent}"
                )
        except OSError as error:
            # The supervisor goes on in a new one, and nobody else would ever tell what was left in this one.
            what = f"move the state directory after the link to {self._state.root}"
            self._failures.tried_one("release", what, error)
        if declared is not None:
            await self._take_over(declared.routing.broker)

    async def _take_over(self, broker: BrokerSpec) -> None:
        try:
            count = await asyncio.to_thread(self._left.take_over, broker)
            self._failures.tried("left", [])
        except (OSError, BrokerUnavailable) as error:
            self._failures.tried("left", [Failed("take over the messages of another release", why(error))])
            return
        if count:
            self._log.info(f"took over {count} message{'' if count == 1 else 's'} of another release")
