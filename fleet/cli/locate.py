"""Which fleet.toml is meant, and where the fleet that it describes keeps its state.

Reads no more of the file than `[fleet] state_dir`, so that `status`, `down`, `logs` and `reload` find a
running fleet while its file is broken elsewhere, and without loading the configuration package.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.statedir import StateDir

DEFAULT_STATE_DIR = ".fleet"

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")
_HEADER = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]\s*(?:#.*)?$")
_STATE_DIR_LINE = re.compile(r"""^\s*state_dir\s*=\s*(?:"((?:[^"\\])*)"|'([^']*)')""")


def locate(file: Path | None, env: str | None = None) -> tuple[Path, StateDir]:
    """The absolute path of the fleet file (symlinks kept) and its state directory.

    `file` None means `$FLEET_FILE`, else fleet.toml here or in a parent folder.
    Raises Failure when there is none.
    """
    path = find_file(file)
    # As fleet.config.resolve does it: symlinks stay as they are configured.
    folder = path.parent / Path(_state_dir_value(path, env)).expanduser()
    return path, StateDir(Path(os.path.normpath(folder)))


def find_file(file: Path | None) -> Path:
    """The absolute path of the fleet file that is meant. Raises Failure."""
    if file is None and (named := os.environ.get("FLEET_FILE")):
        file = Path(named)
    if file is not None:
        if not file.exists():
            raise Failure(f"there is no file {file}", Exit.USAGE)
        return file.absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "fleet.toml").is_file():
            return folder / "fleet.toml"
    raise Failure(
        f"there is no fleet.toml in {here} or a folder above it: `fleet init` writes one, -f names another",
        Exit.USAGE,
    )


def _state_dir_value(path: Path, env: str | None) -> str:
    import tomli

    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return _expand(_scan(text) or DEFAULT_STATE_DIR)
    overlay = _table(_table(document, "env"), env) if env else {}
    for source in (overlay, document):
        value = _table(source, "fleet").get("state_dir")
        if isinstance(value, str):
            return _expand(value)
    return DEFAULT_STATE_DIR


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _scan(text: str) -> str | None:
    """`state_dir` of a file that is not valid TOML: the first such line below [fleet]."""
    table = None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            table = header[1]
        elif table == "fleet" and (found := _STATE_DIR_LINE.match(line)):
            return found[1] if found[1] is not None else found[2]
    return None


def _expand(text: str) -> str:
    """The ${VAR} forms of fleet.toml; a variable without a value is left as it is written."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if name is None:
            return "$"
        return os.environ.get(name) or (rest if kind == "-" else match[0])

    return _VARIABLE.sub(value, text)
