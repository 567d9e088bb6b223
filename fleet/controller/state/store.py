"""The memory of a controller: what one that comes back must still know and can't read off the workers.

Kept in the state directory, and in memory all the same when that can't be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from fleet.controller.atomic_files import why, write_private
from fleet.controller.log.failures import Failed
from fleet.controller.state.overrides import Overrides
from fleet.controller.state.revisions import Revisions
from fleet.spec import Spec
from fleet.statedir import StateDir

Kept = TypeVar("Kept", bound=Spec)


class StoredState:
    """Assign to the attributes, then `save`, which writes what has changed.

    `unsaved` says what could not be written; `save` tries it again each time.
    """

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self.revisions, self.overrides = recall(state)
        self.unsaved: tuple[Failed, ...] = ()
        self._saved: dict[Path, Spec] = {state.revisions: self.revisions, state.overrides: self.overrides}

    def save(self) -> None:
        """Blocks shortly. Never raises OSError."""
        unsaved = []
        for path, value in (
            (self._state.revisions, self.revisions),
            (self._state.overrides, self.overrides),
        ):
            if self._saved[path] == value:
                continue
            try:
                write_private(path, value.to_json())
                self._saved[path] = value
            except OSError as error:
                unsaved.append(Failed(f"write {path.name}, so a restarted controller won't know", why(error)))
        self.unsaved = tuple(unsaved)


def recall(state: StateDir) -> tuple[Revisions, Overrides]:
    """What was last saved; what is not there or not understood counts as nothing."""
    return _load(state.revisions, Revisions()), _load(state.overrides, Overrides())


def _load(path: Path, otherwise: Kept) -> Kept:
    try:
        return type(otherwise).from_json(path.read_text())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return otherwise
