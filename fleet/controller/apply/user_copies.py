"""The copies for workers that run as another user (`user`): what they need of the state directory, readable for them.

Nothing else is read back from there but statistics and stacks, as what strangers say: it belongs to those users.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fleet.controller.atomic_files import write_private
from fleet.launch_specs import WorkerLaunch
from fleet.statedir import StateDir
from fleet.telemetry import foreign_folder


def foreign_uid(user: str | None) -> int | None:
    """The uid of a user that is not ours; None when there is none to become. Raises ValueError."""
    if user is None or os.getuid() != 0:
        return None
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise ValueError(f"no such user: {user}") from error
    return uid if uid != os.getuid() else None


def foreign_uids(users: Iterable[str | None]) -> frozenset[int]:
    """The users that exist; the others are told when a worker of theirs is to start."""
    found = set()
    for user in set(users):
        with suppress(ValueError):
            found.add(foreign_uid(user))
    return frozenset(uid for uid in found if uid is not None)


class UserCopies:
    """Methods raise OSError or ValueError when they can't."""

    def __init__(self, state: StateDir) -> None:
        self._state = state

    def launch_file(self, launch: WorkerLaunch, file: Path) -> Path:
        """The file that the worker shall read: `file` itself, or a copy for its user."""
        uid = foreign_uid(launch.spec.user)
        if uid is None:
            return file
        self._state.open_to_others()
        routing = self._routing_file(uid)
        if not routing.exists():
            write_private(routing, self._state.routing_file.read_text(), owner=uid)
        socket = str(self._state.handed_socket)
        handed = replace(launch, control_socket=socket, routing_file=str(routing))
        copy = self._state.handed / file.name
        write_private(copy, handed.to_json(), owner=uid)
        self._own_folder(uid)
        return copy

    def _own_folder(self, uid: int) -> None:
        """Where its workers leave statistics and stacks for us. In a folder of ours: nobody else can replace it."""
        folder = self._state.root / foreign_folder(uid)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, -1)

    def routing_file(self, user: str | None) -> Path:
        uid = foreign_uid(user)
        return self._state.routing_file if uid is None else self._routing_file(uid)

    def renew_routing(self, text: str) -> None:
        """In the copies that there are."""
        for copy in self._state.handed.glob("routing.*.json"):
            write_private(copy, text, owner=copy.stat().st_uid)

    def tidy(self) -> None:
        """Remove the copies of launch files that are gone."""
        for copy in self._state.handed.glob("*.json"):
            if not copy.name.startswith("routing.") and not (self._state.specs / copy.name).exists():
                copy.unlink(missing_ok=True)

    def _routing_file(self, uid: int) -> Path:
        return self._state.handed / f"routing.{uid}.json"
