"""Files that workers leave when they end: their last statistics. Also removes what nobody needs any more.

The files may belong to workers of other users, who may put there what they like: only regular files are read, only so
much of each, and all of it is checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from fleet.private_files import open_private
from fleet.statedir import StateDir
from fleet.telemetry import FOLDER, Statistics, read_line

_MOST_BYTES = 8 << 20
_MOST_FILES = 1000  # at once; the others the next time


def folders(state: StateDir) -> list[Path]:
    """Where workers leave files: ours, and one for each other user."""
    return [state.worker_files, *state.handed.glob(f"{FOLDER}.*")]


def collect(state: StateDir, known: Iterable[Path] = ()) -> list[tuple[Path, Statistics]]:
    """The last words that lie there, but for the `known`; what is none is removed. Not in the event loop."""
    have, found = set(known), list[tuple[Path, Statistics]]()
    for path in _files(state, ".statistics"):
        if path in have:
            continue
        if len(found) >= _MOST_FILES:
            break
        try:
            told = read_line(_read(path, _MOST_BYTES))
            if not isinstance(told, Statistics) or path.stem != told.birth:
                raise ValueError("no statistics")
        except OSError:
            continue
        except ValueError:
            remove([path])
        else:
            found.append((path, told))
    return found


def remove(paths: Iterable[Path]) -> None:
    """What has been written down elsewhere."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def tidy(state: StateDir) -> None:
    """Remove stacks of processes that are gone."""
    for path in _files(state, ".stacks"):
        if path.stem.isdigit() and not Path(f"/proc/{path.stem}").exists() and Path("/proc/self").exists():
            remove([path])


def _files(state: StateDir, suffix: str) -> Iterator[Path]:
    for folder in folders(state):
        with suppress(OSError):
            yield from sorted(Path(each) for each in os.scandir(folder) if each.name.endswith(suffix))


def _read(path: Path, most: int) -> bytes:
    fd = open_private(path, os.O_RDONLY, anybodys=True)
    try:
        parts, left = [], most
        while left > 0 and (part := os.read(fd, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)
