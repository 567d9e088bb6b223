"""Notices that fleet.toml may have changed, however it was saved: in place, by rename, by symlink swap.

Watches folders, never the file: editors and ConfigMaps replace the file, and a watch on it would see the
first replacement and nothing after. A hint is only a hint: who gets it compares the content.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

CHECK_SECONDS = 30.0
"""File systems without events (network mounts), and events that were missed: look anyway."""

_QUIET_MILLISECONDS = 100
_LONGEST_DEBOUNCE_MILLISECONDS = 300
_RETRY_SECONDS = 1.0
_MOST_LINKS = 40


def folders_of(path: Path) -> frozenset[Path]:
    """The folders where a change can make `path` mean another file: its own, and those of all links to it."""
    path = path.absolute()
    found = {path.parent}
    for _ in range(_MOST_LINKS):
        link = next((each for each in (*reversed(path.parents), path) if each.is_symlink()), None)
        if link is None:
            break
        found.add(link.parent)
        path = link.parent / link.readlink() / path.relative_to(link)
    found.add(path.parent)
    return frozenset(folder for folder in found if folder.is_dir())


class Watch(threading.Thread):
    """Calls `hint` (from its own thread) when `path` may have changed, and every CHECK_SECONDS."""

    def __init__(self, path: Path, hint: Callable[[], None]) -> None:
        super().__init__(name="watch", daemon=True)
        self._path = path
        self._hint = hint
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch(folders_of(self._path))
            except OSError:  # a folder went away in this moment
                self._stopped.wait(_RETRY_SECONDS)

    def _watch(self, folders: frozenset[Path]) -> None:
        """Until the folders to watch are others. Raises OSError."""
        from watchfiles._rust_notify import RustNotify

        seen = _identities(folders)
        if not folders:
            self._stopped.wait(_RETRY_SECONDS)
            return
        notify = RustNotify([str(folder) for folder in folders], False, False, 300, False, False)
        with notify:
            # What changed before the watch stood has gone unseen.
            self._hint()
            while not self._stopped.is_set() and _identities(folders_of(self._path)) == seen:
                notify.watch(
                    _LONGEST_DEBOUNCE_MILLISECONDS,
                    _QUIET_MILLISECONDS,
                    int(CHECK_SECONDS * 1000),
                    self._stopped,
                )
                self._hint()


def _identities(folders: frozenset[Path]) -> set[tuple[Path, int]]:
    """A folder that was removed and made again has the same name, but no watch on it. Raises OSError."""
    return {(folder, folder.stat().st_ino) for folder in folders}
