"""The declaration that is accepted, and why the file as it now is is not: reads it when told to, accepts or rejects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from fleet.controller.declared.changes import config_changes
from fleet.controller.declared.diff import Difference, refusals
from fleet.controller.declared.reading import Reading, digest_of, problem, read
from fleet.controller.log.events import EventLog, iso
from fleet.fleet_state import FleetState


class FileVerdict(Enum):
    SAME = "same"  # the file means what is already in force
    ADOPTED = "adopted"
    REJECTED = "rejected"


class Declaration:
    """`accepted` is in force; `rejected`, if not None, is what `config.rejected` of the contract shows.

    `fingerprint` is that of the file when `accepted` is what it says, else "".
    """

    def __init__(
        self, file: Path, env: str | None, log: EventLog, write_down: Callable[[FleetState], None]
    ) -> None:
        self.accepted: FleetState | None = None
        self.rejected: dict[str, Any] | None = None
        self.fingerprint = ""
        self.remarks: tuple[dict[str, Any], ...] = ()  # what is too much for this machine
        self._file = file
        self.env = env
        self._log = log
        self._write_down = write_down
        self._files: tuple[Path, ...] = (file,)
        self._digest = ""
        self._verdict = FileVerdict.SAME
        self._lock = asyncio.Lock()
        self._is_written = True

    def go_on_with(self, accepted: FleetState) -> None:
        """What was in force before this controller started."""
        self.accepted = accepted

    async def write_down(self) -> OSError | None:
        """What is accepted, unless that was done already; why it can't be."""
        if self._is_written or self.accepted is None:
            return None
        try:
            await asyncio.to_thread(self._write_down, self.accepted)
            self._is_written = True
        except OSError as error:
            return error
        return None

    async def consider(self, *, force: bool = False) -> FileVerdict:
        """Look at the file; without `force` only if its content has changed."""
        async with self._lock:
            if not force and await asyncio.to_thread(digest_of, self._files) == self._digest:
                return self._verdict
            reading = await asyncio.to_thread(read, self._file, self.env)
            self._digest, self._files = reading.digest, reading.files
            self._verdict = await self._judge(reading)
            return self._verdict

    async def _judge(self, reading: Reading) -> FileVerdict:
        new, problems = reading.accepted, list(reading.problems)
        if new is not None and self.accepted is not None and (never := refusals(self.accepted, new)):
            new, problems = None, [problem(_refusal(each), ".".join(each.path)) for each in never]
        if new is None:
            self.fingerprint = ""
            self._reject(problems)
            return FileVerdict.REJECTED
        mended, self.rejected = self.rejected is not None, None
        # Before anything is waited for: who sees the new revision may send by the new file.
        self.remarks, self.fingerprint = reading.remarks, reading.fingerprint
        if self.accepted is not None and new.means_the_same(self.accepted):
            if mended:
                self._log.info(f"{self._file.name} is valid again; nothing changed")
            return FileVerdict.SAME
        await self._adopt(new)
        return FileVerdict.ADOPTED

    def _reject(self, problems: Sequence[dict[str, Any]]) -> None:
        if self.rejected is not None and self.rejected["diagnostics"] == list(problems):
            return
        self.rejected = {"at": iso(time.time()), "diagnostics": list(problems)}
        what = "the fleet goes on as it is" if self.accepted else "nothing is started"
        self._log.error(f"{self._file.name} is not accepted, {what}:")
        for found in problems:
            self._log.error(describe(self._file.name, found))

    async def _adopt(self, new: FleetState) -> None:
        changes = config_changes(self.accepted, new) or ["nothing that concerns a worker"]
        self.accepted = new
        self._is_written = False
        await self.write_down()
        self._log.info(f"{self._file.name} accepted: {', '.join(changes)}")


def _refusal(change: Difference) -> str:
    old, new = ("not set" if value is None else f'"{value}"' for value in (change.old, change.new))
    return f"{'.'.join(change.path)} changed from {old} to {new}: this needs `fleet down` and `fleet up`"


def describe(file: str, found: dict[str, Any]) -> str:
    """A problem on one line: file:line:column: CODE message."""
    place = f"{file}:{found['line']}:{found['column']}" if found["line"] else file
    code = f"{found['code']} " if found["code"] else ""
    return f"{place}: {code}{found['message']}"
