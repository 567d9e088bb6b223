"""The state directory of a running fleet: sockets, specs, logs, lock. The only place that knows these names.

Imports nothing of fleet; every process that knows the state directory finds the others through it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

# sun_path is 108 bytes on Linux and 104 on macOS, the terminating zero included. Supervisord binds its socket under a
# name with a dot and its pid behind, of seven digits at most, and renames it.
_LONGEST_SOCKET_PATH = 103 - len(".4194304")
_TEMPORARY = Path("/tmp")  # noqa: S108
_OTHERS_WRITE = 0o022
_OTHERS_SEE = 0o077
_OTHERS_PASS = 0o011


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths below one state directory (absolute). Nothing is created until `create()`."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held with flock by `fleet up`; holds its pid as text."""
        return self.root / "fleet.lock"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def specs(self) -> Path:
        """WorkerLaunch files, one per program."""
        return self.root / "specs"

    @property
    def routing_file(self) -> Path:
        return self.root / "routing.json"

    @property
    def accepted_config(self) -> Path:
        """The last good configuration, as the controller applied it."""
        return self.root / "accepted.json"

    @property
    def revisions(self) -> Path:
        """What became of rollouts, for a controller that comes back."""
        return self.root / "ledger.json"

    @property
    def overrides(self) -> Path:
        """What people have put over the file."""
        return self.root / "overrides.json"

    @property
    def scheduler_file(self) -> Path:
        """What the scheduler is to do: a SchedulerLaunch."""
        return self.root / "scheduler.json"

    @property
    def schedules_known(self) -> Path:
        """What the scheduler remembers of each schedule, for those who show it."""
        return self.root / "schedules-known.json"

    @property
    def dashboard_file(self) -> Path:
        """What the dashboard is to do: a DashboardLaunch."""
        return self.root / "dashboard.json"

    @property
    def dashboard_tokens(self) -> Path:
        """Who may use the dashboard, where `token_file` names no other file."""
        return self.root / "dashboard-tokens"

    @property
    def dashboard_logins(self) -> Path:
        """Codes that let somebody in once; one file each, named by its digest."""
        return self.root / "dashboard-logins"

    @property
    def events(self) -> Path:
        """The event log, one JSON object a line; the older part in `events.jsonl.1`."""
        return self.root / "events.jsonl"

    @property
    def history(self) -> Path:
        """Statistics, points of time and events, kept by the controller (SQLite)."""
        return self.root / "history.db"

    @property
    def lessons(self) -> Path:
        """What `fleet advise` has learnt of each group under its earlier settings."""
        return self.root / "lessons.json"

    @property
    def alerts(self) -> Path:
        """Which alerts fire, and what of them has not been delivered yet."""
        return self.root / "alerts.json"

    @property
    def worker_files(self) -> Path:
        """What workers leave there for the controller: last statistics, stacks (see fleet.telemetry)."""
        return self.root / "worker-files"

    @property
    def supervisor_socket(self) -> Path:
        return self._sockets / "supervisor.sock"

    @property
    def api_socket(self) -> Path:
        """HTTP API of the controller, for the CLI."""
        return self._sockets / "api.sock"

    @property
    def control_socket(self) -> Path:
        """Where workers report to the controller (see fleet.control)."""
        return self._sockets / "control.sock"

    @property
    def handed(self) -> Path:
        """What workers that run as other users may read, each of them its own."""
        return self.root / "handed"

    @property
    def handed_socket(self) -> Path:
        """As `control_socket`, for those workers."""
        return self._socket_folder("handed", self.handed) / "control.sock"

    @property
    def _sockets(self) -> Path:
        return self._socket_folder("fleet", self.root / "run")

    def _socket_folder(self, kind: str, near: Path) -> Path:
        if len(os.fsencode(near / "supervisor.sock")) <= _LONGEST_SOCKET_PATH:
            return near
        # Deep folders (CI workspaces, temporary folders) don't fit into a socket address. Not below $TMPDIR: whoever
        # looks for the fleet may have another one than who has started it.
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return _TEMPORARY / f"{kind}-{os.getuid()}" / digest

    @property
    def made_by_fleet(self) -> Path:
        """Lies in a state directory that fleet has made itself. The mode of any other is left as it is."""
        return self.root / "made-by-fleet"

    def create(self) -> None:
        """Make the folders, each 0700. Raises PermissionError for one that is there already and is not fit.

        What fleet has not made keeps its mode: `state_dir` may name /tmp, and fleet may be started by root.
        """
        self.make_root()
        for folder in (self._sockets.parent, self._sockets, self.specs, self.logs, self.worker_files):
            if folder != self.root:
                self._make(folder, 0o700, bad=_OTHERS_WRITE if folder == self.logs else _OTHERS_SEE)

    def make_root(self) -> None:
        """The state directory alone. Raises OSError."""
        self._make(self.root, 0o711 if self.handed.is_dir() else 0o700, bad=_OTHERS_WRITE)

    def open_to_others(self) -> None:
        """Let other users through to what is handed to them; the rest stays 0700 or 0600. Raises OSError."""
        for folder in (self.root, self.handed_socket.parent.parent, self.handed_socket.parent, self.handed):
            self._make(folder, 0o711, bad=_OTHERS_WRITE, wanted=_OTHERS_PASS)

    def _make(self, folder: Path, mode: int, *, bad: int, wanted: int = 0) -> None:
        """Ours, with just that mode; or, where fleet has not made it, with none of `bad` and all of `wanted`.

        By descriptor: where everybody may write, somebody may have put a link or a folder of his own there, or do so
        in this moment. What lies in the state directory may be a link.
        """
        made = _make_folder(folder)
        inside = folder.is_relative_to(self.root)
        descriptor = _open_folder(folder, follow=inside)
        try:
            found = os.fstat(descriptor)
            if found.st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to uid {found.st_uid}, not to uid {os.getuid()}")
            # Sockets of deep folders lie outside of it, below names that nobody but fleet uses.
            if made or not inside or (self.made_by_fleet.exists() and not folder.is_symlink()):
                os.fchmod(descriptor, mode)
            else:
                _check_mode(folder, stat.S_IMODE(found.st_mode), bad, wanted)
        finally:
            os.close(descriptor)
        if made and folder == self.root:
            self.made_by_fleet.touch(mode=0o600)


def _make_folder(folder: Path) -> bool:
    """Whether it was not there before."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return False
    return True


def _open_folder(folder: Path, *, follow: bool) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise PermissionError(f"{folder} is no folder but somebody's link or file: remove it") from None
        raise


def _check_mode(folder: Path, mode: int, bad: int, wanted: int) -> None:
    """Raises PermissionError."""
    was_there = f"{folder} is not made by fleet, which leaves its mode ({mode:04o}) as it is"
    if mode & bad:
        others = "write into it" if mode & _OTHERS_WRITE else "look into it"
        raise PermissionError(
            f"{was_there}; but others may {others}: let state_dir name a folder that does not exist yet"
        )
    if mode & wanted != wanted:
        raise PermissionError(
            f"{was_there}; but workers of other users have to get through: chmod {mode | wanted:o} {folder}"
        )
