"""`[rollout] watch`: notices that code has changed, so that workers are replaced while one develops.

As with fleet.toml an event is only a hint: what counts is that the content of a matching file is another.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fleet.broker.urls import scheme, sqlite_path
from fleet.fleet_state import FleetState

_QUIET_MILLISECONDS = 100
_LONGEST_DEBOUNCE_MILLISECONDS = 500
_WAKE_MILLISECONDS = 1000
_RETRY_SECONDS = 2.0


class Wanted(NamedTuple):
    """Which files count. `apart`: how the paths begin of what the fleet itself writes, which never does: each line of
    a log would be a reason to replace all workers, who write the next one.
    """

    folder: Path  # that the patterns start from
    patterns: Sequence[str]
    apart: tuple[str, ...] = ()


_WILD = re.compile(r"[*?\[]")


def wanted_code(file: Path, declared: FleetState | None) -> Wanted:
    """What `[rollout] watch` of `file` means; `declared` is what was accepted of it."""
    if declared is None or not declared.groups:
        return Wanted(file.parent, ())
    url = declared.routing.broker.url
    # With what SQLite and the store put beside it: broker.db-wal, broker.db.wake/.
    own_broker = [str(sqlite_path(url))] if scheme(url) == "sqlite" else []
    return Wanted(file.parent, declared.groups[0].rollout.watch, (f"{declared.state_dir}/", *own_broker))


def roots(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """The folders to watch with all below: what stands before the first wildcard of each pattern."""
    found = set()
    for pattern in patterns:
        parts = Path(pattern).parts
        fixed = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
        found.add(folder.joinpath(*parts[:fixed]))
    return sorted(path for path in found if path.is_dir())


def digests(wanted: Wanted) -> dict[Path, str]:
    """Of the contents of all files that match."""
    found = {}
    for pattern in wanted.patterns:
        for path in _matching(wanted.folder, pattern):
            if str(path).startswith(wanted.apart):
                continue
            with suppress(OSError):
                found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _matching(folder: Path, pattern: str) -> list[Path]:
    """As in a shell no wildcard stands for a name with a dot before it (.git, .venv); nor for what Python compiles."""
    named = {part for part in Path(pattern).parts if not _WILD.search(part)}
    try:
        found = list(folder.glob(pattern))
    except (OSError, ValueError, NotImplementedError):  # an absolute one, or one that makes no sense
        return []
    return [path for path in found if not _hidden(path.relative_to(folder)) - named]


def _hidden(path: Path) -> set[str]:
    return {part for part in path.parts if part.startswith(".") or part == "__pycache__"}


class CodeWatch(threading.Thread):
    """Calls `changed` (from its own thread) with the names of files that were added, edited or deleted.

    `wanted` gives what counts now: an edit of fleet.toml may change it.
    """

    def __init__(self, wanted: Callable[[], Wanted], changed: Callable[[list[str]], None]) -> None:
        super().__init__(name="code", daemon=True)
        self._wanted = wanted
        self._changed = changed
        self._stopped = threading.Event()
        self._begun = threading.Event()
        self._known: tuple[Wanted | None, dict[Path, str]] = (None, {})

    def begin(self) -> None:
        """From any thread, when other files may be wanted: workers that start from now on have these as they
        are now, whenever the watch itself stands.
        """
        wanted = self._wanted()
        if self._known[0] != wanted:
            self._known = (wanted, digests(wanted))
            self._begun.set()

    def stop(self) -> None:
        self._stopped.set()
        self._begun.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._begun.clear()
            wanted = self._wanted()
            watched = roots(wanted.folder, wanted.patterns)
            if not watched:
                self._begun.wait(_RETRY_SECONDS)
                continue
            try:
                self._watch(wanted, watched)
            except OSError:  # a folder went away in this moment
                self._stopped.wait(_RETRY_SECONDS)

    def _watch(self, wanted: Wanted, watched: list[Path]) -> None:
        """Until other files are wanted. Raises OSError."""
        from watchfiles._rust_notify import RustNotify

        with RustNotify([str(each) for each in watched], False, False, 300, True, True) as notify:
            self.begin()
            self._compare(wanted)
            while not self._stopped.is_set() and self._wanted() == wanted:
                found = notify.watch(
                    _LONGEST_DEBOUNCE_MILLISECONDS, _QUIET_MILLISECONDS, _WAKE_MILLISECONDS, self._stopped
                )
                if isinstance(found, set):  # events, and not only that time has passed
                    self._compare(wanted)

    def _compare(self, wanted: Wanted) -> None:
        for_whom, before = self._known
        if for_whom == wanted:
            self._known = (wanted, digests(wanted))
            if names := _different(before, self._known[1], wanted.folder):
                self._changed(names)


def _different(before: dict[Path, str], after: dict[Path, str], folder: Path) -> list[str]:
    paths = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    return sorted(str(path.relative_to(folder)) for path in paths)
