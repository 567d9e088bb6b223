"""Tasks that have been revoked by Celery's remote control: by id, or by a stamp. A restart forgets none of them.

Each worker writes those that it hears of into a file of its own in the state directory and reads those of all others
when it starts: a revocation is meant for whichever worker gets the message. Bounded in number and age, as Celery's.
A `fleet worker` has no state directory: it knows what it has heard itself, until it ends.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerLaunch
from fleet.worker import unpatched
from fleet.worker.log import Log

MOST = 50_000
SECONDS = 3 * 3600.0  # ids are kept for so long; stamps for ever, for there are few
_FOLDER = "revoked"


def open_revoked(launch: WorkerLaunch, log: Log) -> Revoked:
    """What the workers of this fleet have heard; that of `fleet worker`, which reports to nobody, starts empty."""
    if launch.routing_file.startswith(("/proc/", "/dev/")):
        return Revoked(None, launch.worker)  # it lies in memory, not in a state directory
    try:
        return Revoked(Path(launch.routing_file).parent, launch.worker)
    except OSError as error:  # another user's, perhaps
        log.warning(f"tasks revoked from now on are forgotten when this worker restarts: {error}")
        return Revoked(None, launch.worker)


class Revoked:
    """From any thread."""

    def __init__(self, state_dir: Path | None, worker: str) -> None:
        """Raises OSError when the folder can't be written to. None: nothing is kept."""
        self._ids: OrderedDict[str, float] = OrderedDict()  # POSIX time of the revocation; oldest first
        self._stamps: dict[str, list[Any]] = {}
        self._file: Path | None = None
        self._adding = unpatched.allocate_lock()
        if state_dir is not None:
            folder = state_dir / _FOLDER
            folder.mkdir(mode=0o700, exist_ok=True)
            self._file = folder / f"{worker.replace('/', '-')}.jsonl"
            self._read(sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime))
            self._rewrite()

    def __bool__(self) -> bool:
        return bool(self._ids or self._stamps)

    @property
    def ids(self) -> list[str]:
        return list(self._ids)

    @property
    def stamps(self) -> dict[str, list[Any]]:
        return {header: list(values) for header, values in dict(self._stamps).items()}

    def add(self, ids: Iterable[str] = (), stamps: dict[str, list[Any]] | None = None) -> None:
        with self._adding:
            self._add(ids, stamps or {})

    def _add(self, ids: Iterable[str], stamps: dict[str, list[Any]]) -> None:
        now = time.time()
        new = [ident for ident in ids if ident not in self._ids]
        lines = [{"id": ident, "at": now} for ident in new]
        for ident in new:
            self._ids[ident] = now
        for header, values in stamps.items():
            known = self._stamps.setdefault(header, [])
            fresh = [value for value in values if value not in known]
            known += fresh
            lines += [{"stamp": header, "value": value} for value in fresh]
        self._forget(now)
        if lines and self._file is not None:
            self._append(self._file, lines)

    def covers(self, delivery: Delivery) -> bool:
        """Whether it is not to run."""
        headers = delivery.headers
        if headers.get("id") in self._ids:
            return True
        if not self._stamps:
            return False
        stamps = headers.get("stamps")
        names = headers.get("stamped_headers")
        if not isinstance(stamps, dict) or not isinstance(names, list | tuple):
            return False
        return any(
            self._has(name, stamps.get(name))
            for name in names
            if isinstance(name, str) and name in self._stamps
        )

    def _has(self, header: str, value: Any) -> bool:
        known = self._stamps[header]
        return value in known or (isinstance(value, list | tuple) and any(each in known for each in value))

    def _forget(self, now: float) -> None:
        while self._ids and (len(self._ids) > MOST or next(iter(self._ids.values())) < now - SECONDS):
            self._ids.popitem(last=False)

    def _read(self, files: Iterable[Path]) -> None:
        found: dict[str, float] = {}
        for file in files:
            for line in file.read_text(errors="replace").splitlines():
                try:
                    match json.loads(line):
                        case {"id": str() as ident, "at": float() | int() as at}:
                            found[ident] = float(at)
                        case {"stamp": str() as header, "value": value}:
                            values = self._stamps.setdefault(header, [])
                            if value not in values:
                                values.append(value)
                except ValueError:  # the last line of a worker that was killed
                    continue
        self._ids.update(sorted(found.items(), key=lambda each: each[1]))
        self._forget(time.time())

    def _rewrite(self) -> None:
        """The file without what is over; it takes the others' along, for they may be gone for good."""
        assert self._file is not None
        lines = [{"id": ident, "at": at} for ident, at in self._ids.items()]
        lines += [
            {"stamp": name, "value": value} for name, values in self._stamps.items() for value in values
        ]
        beside = self._file.with_suffix(f".{os.getpid()}")
        beside.touch(mode=0o600)
        self._append(beside, lines)
        beside.replace(self._file)

    @staticmethod
    def _append(file: Path, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, default=str) + "\n" for line in lines)
        with file.open("a", encoding="utf-8") as out:
            out.write(text)
