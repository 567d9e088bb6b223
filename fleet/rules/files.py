"""The files that the fleet names, as the disk has them. What is not there, or not to be seen, says nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fleet.config.model import Fleet
from fleet.rules.finding import Finding, KeyPath
from fleet.working_folder import expanded

# World-writable by their purpose, wherever the check runs.
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
# The kernel's: what is in them is no file of anybody's, or gone with the next boot.
_KERNELS = ("/proc", "/sys", "/dev")
_LONGEST_NAME = 255  # bytes, on every file system in use
# Mounted by container runtimes, 0444 for whoever is inside: the container is the wall.
_MOUNTED_SECRETS = ("/run/secrets", "/var/run/secrets")


def absolute(fleet: Fleet, path: str) -> Path:
    """As the file means it: relative to its own folder, symlinks kept."""
    return Path(os.path.normpath(fleet.folder / expanded(path)))


def text_of_file(fleet: Fleet, path: KeyPath, name: str, *, as_text: str) -> str | Finding:
    """What the file holds that the key at `path` names, or why it can't be read. `as_text`: the remedy for one that
    holds no text.
    """
    try:
        return absolute(fleet, name).read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Finding(
            path,
            f"there is no file {name} here",
            help="create it on the fleet's machine, or correct the path: relative ones start at fleet.toml's folder",
            severity="warning" if name.startswith(("/", "~")) else None,
        )
    except UnicodeDecodeError:
        return Finding(path, f"{name} does not hold UTF-8 text", help=as_text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no path"
        return Finding(
            path, f"can't read {name}: {reason}", help="the user that starts the fleet has to read it"
        )


def readable_by_others(path: Path) -> str | None:
    """The mode ("0644") if anybody on the machine can read the file."""
    if any(path.is_relative_to(folder) for folder in _MOUNTED_SECRETS):
        return None
    mode = _mode(path)
    return f"{stat.S_IMODE(mode):04o}" if mode is not None and mode & stat.S_IROTH else None


def open_to_all(path: Path, *, inside: Path) -> Path | None:
    """The folder that anybody may write into and that `path` would be made in.

    `inside` itself is not looked at: whoever can write there can also rewrite the file.
    """
    for folder in () if path == inside else path.parents:
        if folder == inside or inside in folder.parents:
            return None
        if str(folder) in _TEMPORARY:
            return folder
        mode = _mode(folder)
        if mode is not None:
            return folder if stat.S_ISDIR(mode) and mode & stat.S_IWOTH else None
    return None


def why_no_folder(path: Path) -> str | None:
    """Why `path` (absolute) is no folder and never will be, whoever makes it; None if nothing is in its way."""
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        return f"no file can have a name of more than {_LONGEST_NAME} bytes"
    for place in (path, *path.parents):
        if str(place) == "/dev/shm":  # noqa: S108
            break
        if str(place) in _KERNELS:
            return f"{place} is the kernel's"
        mode = _mode(place)
        if mode is not None and not stat.S_ISDIR(mode):
            return f"{place} is no folder but a file"
        if mode is None and place.is_symlink():
            return f"{place} is a link to {place.readlink()}, which is not there"
    return None


def writable_by_others(path: Path) -> bool:
    """Whether the folder `path` is there, and not only its owner may write into it."""
    if str(path) in _TEMPORARY:
        return True
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode) and bool(mode & (stat.S_IWGRP | stat.S_IWOTH))


def is_folder(path: Path) -> bool:
    """As `Path.is_dir`, also for a name that no file can have."""
    return stat.S_ISDIR(_mode(path) or 0)


def is_file(path: Path) -> bool:
    """As `Path.is_file`, also for a name that no file can have."""
    return stat.S_ISREG(_mode(path) or 0)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None
