"""What a controller that comes back must still know and can't read off the workers: kept in the state
directory, and in memory all the same when that can't be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from fleet.controller.events import EventLog
from fleet.controller.files import write_private
from fleet.controller.ledger import Ledger
from fleet.controller.overrides import Overrides
from fleet.spec import Spec
from fleet.statedir import StateDir

Kept = TypeVar("Kept", bound=Spec)


class Memory:
    """Assign to the attributes, then `save`, which writes what has changed."""

    def __init__(self, state: StateDir, log: EventLog) -> None:
        self._state = state
        self._log = log
        self.ledger, self.overrides = recall(state)
        self._saved: dict[Path, Spec] = {state.ledger: self.ledger, state.overrides: self.overrides}

    def save(self) -> None:
        """Blocks shortly; a file that can't be written is tried again with the next change."""
        for path, value in (
            (self._state.ledger, self.ledger),
            (self._state.overrides, self.overrides),
        ):
            if self._saved[path] != value:
                self._save(path, value)

    def _save(self, path: Path, value: Spec) -> None:
        try:
            write_private(path, value.to_json())
        except OSError as error:
            self._log.error(f"can't write {path.name}, so a restarted controller won't know: {error}")
        self._saved[path] = value


def recall(state: StateDir) -> tuple[Ledger, Overrides]:
    """What was last saved; what is not there or not understood counts as nothing."""
    return _load(state.ledger, Ledger()), _load(state.overrides, Overrides())


def _load(path: Path, otherwise: Kept) -> Kept:
    try:
        return type(otherwise).from_json(path.read_text())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return otherwise
