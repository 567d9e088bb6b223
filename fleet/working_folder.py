"""The folder that a person or a unit file means by "here": with the links by which it was entered."""

from __future__ import annotations

import os
from pathlib import Path


def working_folder() -> Path:
    """`$PWD` if that is this folder, else what the kernel says.

    The kernel knows no links: of `cd /srv/shop/current` it says /srv/shop/releases/7, which is another place after the
    next release. Raises OSError when the folder is gone.
    """
    told = os.environ.get("PWD", "")
    try:
        if os.path.isabs(told) and os.path.normpath(told) == told and os.path.samefile(told, "."):  # noqa: PTH117, PTH121
            return Path(told)
    except (OSError, ValueError):
        pass
    return Path.cwd()


def absolute(path: Path) -> Path:
    """As `Path.absolute`, from there."""
    return path if path.is_absolute() else working_folder() / path


def expanded(path: str) -> Path:
    """With "~" as a home; as it is where nobody has that name."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        return Path(path)
