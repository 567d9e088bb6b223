"""fleet.toml as it is now: the configuration that it declares, or what is wrong with it."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.fingerprint import fingerprint
from fleet.fleet_state import FleetState
from fleet.statedir import StateDir
from fleet.working_folder import expanded

if TYPE_CHECKING:
    from fleet.config.model import Fleet

_SETTLE_SECONDS = 0.15
_MOST_READINGS = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """`accepted` is None when there are `problems`: errors only, as in `fleet validate --format json`.

    `files` are fleet.toml and whatever else was read for it, `digest` is that of all of them; `fingerprint` tells
    whether somebody else would read the same. `remarks`: what is too much for this machine, in the same form.
    """

    digest: str
    files: tuple[Path, ...]
    accepted: FleetState | None
    problems: tuple[dict[str, Any], ...] = ()
    fingerprint: str = ""
    remarks: tuple[dict[str, Any], ...] = ()


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of the contents; what can't be read counts as having none."""
    total = hashlib.sha256()
    for path in files:
        with suppress(OSError):
            total.update(hashlib.sha256(path.read_bytes()).digest())
        total.update(b"/")
    return total.hexdigest()


def read(path: Path, env: str | None) -> Reading:
    """Read and check `path`. A file that is wrong may be half-written: then wait a little and look again."""
    for _ in range(_MOST_READINGS):
        reading = _read_once(path, env)
        if reading.accepted is not None:
            break
        time.sleep(_SETTLE_SECONDS)
        if digest_of(reading.files) == reading.digest:
            break
    return reading


def _read_once(path: Path, env: str | None) -> Reading:
    from fleet.config.lean import without_plugins

    without_plugins()
    from fleet.config.load import Unreadable, load_to_run
    from fleet.config.resolve_groups import fleet_state
    from fleet.diagnostics.jsonform import as_dict

    files: tuple[Path, ...] = (path,)
    digest = digest_of(files)
    try:
        while True:
            loaded = load_to_run(path, env=env)
            if loaded.fleet is None:
                errors = (each for each in loaded.diagnostics if each.severity == "error")
                return Reading(digest, files, None, tuple(map(as_dict, errors)))
            found = (path, *_others(loaded.fleet))
            if found == files:
                same = fingerprint(path, loaded.source.text, env, os.environ)
                remarks = tuple(as_dict(each) for each in loaded.too_much)
                return Reading(digest, files, fleet_state(loaded.fleet), fingerprint=same, remarks=remarks)
            # Which files these are is only known now. Their digest has to be from before they are read: only
            # then an edit in between is seen as one.
            files = found
            digest = digest_of(files)
    except Unreadable as error:
        return Reading(digest, files, None, (problem(str(error)),))
    except Exception as error:
        # A mistake of ours in checking a file must not end the controller: the fleet goes on as it is.
        logging.getLogger("fleet.config").exception("%s could not be checked", path)
        return Reading(digest, files, None, (problem(f"this is a bug in fleet: {error!r}"),))


def _others(fleet: Fleet) -> tuple[Path, ...]:
    """The files that are part of the configuration besides fleet.toml."""
    named = (fleet.project.env_file, fleet.broker.url_file)
    return tuple(fleet.folder / expanded(name) for name in named if name)


def problem(message: str, path: str = "") -> dict[str, Any]:
    """Something wrong that has no place in the file and no code, in the same form."""
    keys = ("code", "name", "line", "column", "end_line", "end_column", "help")
    return {**dict.fromkeys(keys), "severity": "error", "message": message, "path": path}


def load_accepted(state: StateDir) -> FleetState | None:
    """What was last accepted; None when there is nothing, or nothing that this version understands."""
    try:
        return FleetState.from_json(state.accepted_config.read_text())
    except (OSError, ValueError, TypeError, KeyError):
        return None
