"""Where a running fleet keeps its files: sockets, specs, logs, lock. The only place that knows these names.

Imports nothing of fleet; every process that knows the state directory finds the others through it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

# sun_path is 108 bytes on Linux and 104 on macOS, the terminating zero included.
_LONGEST_SOCKET_PATH = 103


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
    def ledger(self) -> Path:
        """What became of rollouts, for a controller that comes back."""
        return self.root / "ledger.json"

    @property
    def overrides(self) -> Path:
        """What people have put over the file."""
        return self.root / "overrides.json"

    @property
    def events(self) -> Path:
        """The event log, one JSON object a line; the older part in `events.jsonl.1`."""
        return self.root / "events.jsonl"

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
        # Deep folders (CI workspaces, temporary folders) don't fit into a socket address.
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"{kind}-{os.getuid()}" / digest

    def create(self) -> None:
        """Make the folders, each 0700. Raises PermissionError when one belongs to somebody else."""
        root_mode = 0o711 if self.handed.is_dir() else 0o700
        for folder in (self._sockets.parent, self._sockets, self.root, self.logs, self.specs):
            _make(folder, root_mode if folder == self.root else 0o700)

    def open_to_others(self) -> None:
        """Let other users through to what is handed to them; the rest stays 0700 or 0600. Raises OSError."""
        for folder in (self.handed_socket.parent.parent, self.handed_socket.parent, self.root, self.handed):
            _make(folder, 0o711)


def _make(folder: Path, mode: int) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = folder.stat().st_uid
    if owner != os.getuid():
        raise PermissionError(f"{folder} belongs to uid {owner}, not to uid {os.getuid()}")
    folder.chmod(mode)
