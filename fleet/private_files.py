"""Open a file that is this user's own: whatever else lies under its name is neither followed, nor read, nor written.

Root runs fleets whose workers are somebody else, in folders that may be somebody else's. Checked is what was opened, by
its descriptor: a name may mean another thing a moment later.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_TRUSTED_ALWAYS = 0  # root can do everything anyway


def open_private(path: str | Path, flags: int, mode: int = 0o600, *, anybodys: bool = False) -> int:
    """As `os.open`, of a regular file that belongs to us, in a folder that nobody else owns; close-on-exec. A link, a
    FIFO or somebody else's file raises OSError, most of it PermissionError. `anybodys`: whoever it belongs to.
    """
    folder, name = os.path.split(path)
    at = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not anybodys:
            _check_owner(os.fstat(at), folder)
        # O_NONBLOCK: to open a FIFO must not wait for somebody at its other end. Of a file it means nothing.
        safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        truncates = flags & os.O_TRUNC
        try:
            descriptor = os.open(name, (flags ^ truncates) | safe, mode, dir_fd=at)
        except OSError as error:
            error.filename = str(path)
            raise
    finally:
        os.close(at)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(f"{path} is no regular file")
        if not anybodys:
            _check_owner(found, path)
        if truncates:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_owner(found: os.stat_result, path: str | Path) -> None:
    if found.st_uid not in (os.geteuid(), _TRUSTED_ALWAYS):
        raise PermissionError(f"{path} belongs to uid {found.st_uid}, not to uid {os.geteuid()}")
