"""The kind of a file, by its name and, for standard input and odd names, by what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from fleet.takeover import crontabs, ini_files, manifests, shell_scripts
from fleet.takeover.found import FileReading

Reader = Callable[[str, str, Mapping[str, str]], FileReading]
"""(text, what to call it, variables of files that it names) → what it holds."""

_BY_ENDING: dict[str, Reader] = {
    ".service": ini_files.systemd,
    ".yml": manifests.read,
    ".yaml": manifests.read,
    ".json": manifests.read,
    ".sh": shell_scripts.shell,
    ".bash": shell_scripts.shell,
}
_BY_CONTENT: list[tuple[re.Pattern[str], Reader]] = [
    (crontabs.LINE, crontabs.crontab),
    (re.compile(r"^\[program:", re.MULTILINE), ini_files.supervisord),
    (re.compile(r"^\[Service\]\s*$", re.MULTILINE), ini_files.systemd),
    (re.compile(r"^(apiVersion|services):|\A\s*\{", re.MULTILINE), manifests.read),
    (
        re.compile(r"^\s*(export\s+)?(CELERYD_\w+|CELERY_APP|CELERY_BIN)=", re.MULTILINE),
        shell_scripts.environment_file,
    ),
    (re.compile(r"\A(?!#!)(\s*#.*\n|\s*\n)*[A-Za-z0-9_-]+:\s+\S"), shell_scripts.procfile),
]
_LARGEST = 2**20  # bytes: nobody writes such files by hand


class NotTextError(ValueError):
    """Too large, or not UTF-8."""


def read(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """Raises manifests.NoYamlError when the text is YAML and there is nothing to read it with."""
    return _reader(text, name)(text, name, variables)


def _reader(text: str, name: str) -> Reader:
    path = PurePosixPath(name)
    if path.suffix in _BY_ENDING:
        return _BY_ENDING[path.suffix]
    if (
        path.name.startswith("crontab")
        or path.suffix in (".cron", ".crontab")
        or path.parent.name == "cron.d"
    ):
        return crontabs.crontab
    if path.name.startswith("Procfile"):
        return shell_scripts.procfile
    return next((reader for pattern, reader in _BY_CONTENT if pattern.search(text)), shell_scripts.shell)


def content(path: Path) -> str:
    """Raises OSError and NotTextError."""
    with path.open("rb") as file:
        body = file.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise NotTextError("larger than 1 MiB")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotTextError("not UTF-8 text") from None


def environment_of(path: Path) -> dict[str, str]:
    """The variables of an EnvironmentFile; nothing when it is not here."""
    variables: dict[str, str] = {}
    try:
        shell_scripts.assignments(content(path), variables)
    except (OSError, NotTextError):
        return {}
    return variables
