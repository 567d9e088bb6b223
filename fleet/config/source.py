"""The bytes of a fleet.toml, read once: which file, its text, its digest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fleet.working_folder import absolute, working_folder

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # as editors of Windows begin it


class Unreadable(Exception):  # noqa: N818
    """A file can't be read at all, or has no such environment; the text says which and why."""


class Source(NamedTuple):
    """The text of a file as it was read (without a byte order mark), and its absolute path, symlinks kept."""

    path: Path
    text: str
    name: str = ""
    """How the user called it; for messages."""

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def digest(self) -> str:
        """12 hex digits of the content."""
        import hashlib  # loads OpenSSL, and not every command asks

        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def find_file(explicit: Path | None = None) -> Path:
    """`explicit`, else $FLEET_FILE, else fleet.toml here or in a parent folder. Raises Unreadable."""
    named = explicit or (Path(value) if (value := os.environ.get("FLEET_FILE")) else None)
    if named:
        return named
    here = working_folder()
    for folder in (here, *here.parents):
        if (folder / "fleet.toml").is_file():
            return folder / "fleet.toml"
    raise Unreadable(
        f"there is no fleet.toml in {here} or a folder above it: `fleet init` writes one, -f names another"
    )


def read_source(path: Path) -> Source:
    """Raises Unreadable."""
    try:
        return from_bytes(path.read_bytes(), path)
    except OSError as error:
        raise Unreadable(why_unreadable(path, error)) from error


def why_unreadable(path: Path, error: OSError) -> str:
    """What is wrong with the path of a fleet.toml; a folder is often named in its place."""
    if not isinstance(error, IsADirectoryError):
        return f"can't read {path}: {error.strerror}"
    inside = path / "fleet.toml"
    if inside.is_file():
        return f"{path} is a folder; the file in it is {inside}"
    return f"{path} is a folder without a fleet.toml: `fleet init {path}` writes one"


def from_bytes(content: bytes, path: Path) -> Source:
    """The source as if `path` held `content`. Raises Unreadable when it is not UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = "it is UTF-16" if content.startswith(_UTF_16) else f"line {line} is not UTF-8 text"
        raise Unreadable(f"can't read {path}: {what}: save it as UTF-8") from error
    # abspath, not resolve(): a ConfigMap or a release folder is a symlink whose name is what was meant.
    return Source(Path(os.path.normpath(absolute(path))), text, _short(path))


def _short(path: Path) -> str:
    """Relative to here when that is shorter."""
    if path.is_absolute() and path.is_relative_to(here := working_folder()):
        return str(path.relative_to(here))
    return str(path)
