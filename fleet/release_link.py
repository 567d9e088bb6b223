"""The state directory follows a link on its way: `current → releases/7` swapped to `releases/8` is the same fleet.

A rename keeps all that is open: lock, sockets, logs, and the embedded broker with what waits in it.
See docs/decisions/0062-the-state-directory-follows-the-link.md.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from fleet.statedir import StateDir

LEFT = "replaced"
"""Below the state directory: what lay where it came to lie, such as messages sent there in between."""


def has_moved(state: StateDir, home: Path) -> bool:
    """Whether `state.root` leads to another folder than `home`, where the running fleet's lock lies, because a link
    above it is another one now. Somebody who has moved or replaced the directory itself meant just that.
    """
    root = state.root
    behind_link = os.path.realpath(root.parent) != str(root.parent)
    return (
        behind_link
        and not root.is_symlink()
        and home.name == root.name
        and home.parent != Path(os.path.realpath(root.parent))
    )


def follow(state: StateDir, home: Path) -> bool:
    """Move `home` to where `state.root` leads to now; whether that was done. Raises OSError when it can't be."""
    target = Path(os.path.realpath(state.root.parent)) / state.root.name
    if not has_moved(state, home) or not target.parent.is_dir():
        return False
    aside: Path | None = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        target.rename(str(aside))
    except FileNotFoundError:
        aside = None
    try:
        home.rename(target)
    except OSError:
        if aside is not None:
            aside.rename(target)
        if not home.exists():
            return False  # somebody else was quicker
        raise
    if aside is not None:
        left = target / LEFT
        left.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):
            aside.rename(left / aside.name.lstrip("."))
    return True
