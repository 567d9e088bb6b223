"""Files that others must never see half-written, nor read at all: atomic, mode 0600. Sockets likewise."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str, *, owner: int | None = None) -> None:
    """Replace `path` in one step; `owner` is the uid of who may read it if not ours. Raises OSError."""
    # mkstemp makes it 0600; the same folder, so that the rename does not cross file systems.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if owner is not None:
                os.fchown(handle, owner, -1)
            file.write(text)
        Path(temporary).replace(path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # of a write the kernel does not say where
        raise


def why(error: BaseException) -> str:
    """`No space left on device (/srv/shop/.fleet/specs)`: what the kernel said, and of what; no errno, no class."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return str(error) or type(error).__name__


def listen_private(path: Path, *, mode: int = 0o600) -> socket.socket:
    """A listening Unix socket that only this user can connect to, unless `mode` says else. What was left at
    `path` is removed.
    """
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)
    return listener
