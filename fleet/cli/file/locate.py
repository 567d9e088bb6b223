"""The search for the fleet.toml that is meant, and for where the fleet that it describes keeps its state.

Reads no more of the file than `[fleet] state_dir`, so that `status`, `down`, `logs` and `reload` find a
running fleet while its file is broken elsewhere, and without loading the configuration package.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.release_link import follow
from fleet.running_supervisors import RunningSupervisor, running_supervisors
from fleet.statedir import StateDir
from fleet.supervisor import lock
from fleet.working_folder import absolute, expanded, working_folder

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
    said = _state_dir_value(path, env)
    # As fleet.config.resolve does it: symlinks stay as they are configured.
    folder = path.parent / expanded(_expand(said.text))
    state = StateDir(Path(os.path.normpath(folder)))
    if _holder(state) is not None:
        return path, state
    return path, _of_running(state, path, env, said) or state


def _running_by(path: Path) -> list[RunningSupervisor]:
    """Supervisors of that file, as they say themselves: ours, and for root those of the file's owner. Others may say
    anything.
    """
    trusted = {os.geteuid()}
    with suppress(OSError):
        trusted.add((path if path.exists() else path.parent).stat().st_uid)
    return [each for each in running_supervisors() if each.file == path and each.uid in trusted]


class _Said(NamedTuple):
    """`state_dir` as the file has it; `sure`: only a fleet with just this one can be meant."""

    text: str
    sure: bool


def _of_running(state: StateDir, path: Path, env: str | None, said: _Said) -> StateDir | None:
    """The state directory of the fleet that runs by this file, if it is not where the file says: the file may be broken
    or empty, or a link may lead to another release by now. Raises Failure when it can't be told which is meant.
    """
    mine = [each for each in _running_by(path) if each.env == env]
    here = [each for each in mine if each.root == state.root]
    if here:
        return _settled(state, here[0])
    if said.sure or not mine:
        return None
    if len(mine) > 1:
        roots = ", ".join(str(each.root) for each in mine)
        raise Failure(f"{path} does not say which of its running fleets is meant: {roots}", Exit.USAGE)
    other = StateDir(mine[0].root)
    return other if _holder(other) is not None else _settled(other, mine[0])


def _holder(state: StateDir) -> int | None:
    """As `lock.holder`; None as well when it can't be told, as of a fleet of root."""
    try:
        return lock.holder(state)
    except OSError:
        return None


def _settled(state: StateDir, found: RunningSupervisor) -> StateDir:
    """The state directory of a supervisor whose lock lies elsewhere than its path leads to: moved after the link."""
    if found.uid == os.geteuid():
        with suppress(OSError):
            follow(state, found.home)
    return state if _holder(state) is not None else StateDir(found.home)


def find_file(file: Path | None) -> Path:
    """The absolute path of the fleet file that is meant. Raises Failure."""
    if file is None and (named := os.environ.get("FLEET_FILE")):
        file = Path(named)
    if file is not None:
        path = Path(os.path.normpath(absolute(file)))
        if not (path.exists() or _running_by(path)):
            raise Failure(f"there is no file {file}", Exit.USAGE)
        return path
    here = working_folder()
    for folder in (here, *here.parents):
        if (folder / "fleet.toml").is_file():
            return folder / "fleet.toml"
    for folder in (here, *here.parents):
        if _running_by(folder / "fleet.toml"):
            return folder / "fleet.toml"  # deleted under a running fleet
    raise Failure(
        f"there is no fleet.toml in {here} or a folder above it: `fleet init` writes one, -f names another",
        Exit.USAGE,
    )


def _state_dir_value(path: Path, env: str | None) -> _Said:
    import tomli

    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        if _running_by(path):
            return _Said(DEFAULT_STATE_DIR, sure=False)
        from fleet.config.source import why_unreadable

        raise Failure(why_unreadable(path, error), Exit.USAGE) from error
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError:
        found = _scan(text)
        return _Said(found or DEFAULT_STATE_DIR, sure=found is not None and "$" in found)
    overlay = _table(_table(document, "env"), env) if env else {}
    for source in (overlay, document):
        value = _table(source, "fleet").get("state_dir")
        if isinstance(value, str):
            # With variables in it, other values of them are other fleets of the same file.
            return _Said(value, sure="$" in value)
    return _Said(DEFAULT_STATE_DIR, sure=False)


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
