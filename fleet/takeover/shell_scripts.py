"""Celery's command lines in shell scripts, Procfiles, and the env files of `celery multi`."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import replace

from fleet.takeover.celery_words import celery_calls
from fleet.takeover.found import FileReading, FoundCommand, Left
from fleet.takeover.shell_words import assigned, logical_lines

_CHANGES_FOLDER = re.compile(r"cd\s+(?:--\s+)?[\"']?([^\s\"';&|]+)[\"']?\s*(?:&&|;|$)")


def shell(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """A shell script, or any text of which each line is a command."""
    reading, known, folder = FileReading(), dict(variables), ""
    for number, line in logical_lines(text):
        if assigned(line, known):
            continue
        changed = _CHANGES_FOLDER.search(line)
        folder = changed[1] if changed else folder
        add_line(reading, line, known, FoundCommand((), f"{name}:{number}", folder=folder))
    return reading


def procfile(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """Lines of `process: command`."""
    reading = FileReading()
    for number, line in logical_lines(text):
        match = re.match(r"([A-Za-z0-9_-]+):\s*(.+)", line, re.DOTALL)
        if match:
            add_line(reading, match[2], variables, FoundCommand((), f"{name}:{number}", match[1]))
    return reading


def environment_file(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """CELERYD_NODES, CELERYD_OPTS and so on, as the init script and the unit of Celery's documentation read them."""
    known = dict(variables)
    assignments(text, known)
    reading = FileReading()
    line = _multi_line(known)
    folder, user = known.get("CELERYD_CHDIR", ""), known.get("CELERYD_USER", "")
    add_line(reading, line, known, FoundCommand((), name, folder=folder, user=user))
    if "CELERYD_GROUP" in known:
        reading.left.append(Left(name, "CELERYD_GROUP", "a group's processes run in the groups of `user`"))
    if any(key.startswith("CELERYBEAT_") for key in known):
        reading.left.append(
            Left(
                name,
                "CELERYBEAT_…",
                "`fleet up` sends beat_schedule; a scheduler class is [fleet] beat_scheduler",
            )
        )
    return reading


def _multi_line(known: Mapping[str, str]) -> str:
    app, level = known.get("CELERY_APP", ""), known.get("CELERYD_LOG_LEVEL", "")
    return " ".join(
        (
            "celery",
            f"-A {app}" if app else "",
            f"multi start {known.get('CELERYD_NODES', 'celery')}",
            f"--loglevel={level}" if level else "",
            known.get("CELERYD_OPTS", ""),
        )
    )


def assignments(text: str, variables: MutableMapping[str, str]) -> None:
    """All assignments of the text, into `variables`."""
    for _, line in logical_lines(text):
        assigned(line, variables)


def add_line(reading: FileReading, line: str, variables: Mapping[str, str], pattern: FoundCommand) -> None:
    """The calls of Celery in a line of shell, with what `pattern` says of where it stands."""
    try:
        calls = list(celery_calls(line, variables)) if "celery" in line or "$" in line else []
    except ValueError as error:
        if "celery" in line:
            reading.left.append(Left(pattern.where, "a line", f"it can't be read as shell: {error}"))
        return
    exported = {key: variables[key] for key in _OF_CELERY & variables.keys()}
    for own, words in calls:
        environment = {**exported, **pattern.environment, **own}
        reading.found.append(replace(pattern, words=words, environment=environment))


_OF_CELERY = frozenset(
    {"CELERY_APP", "CELERY_BROKER_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "CELERY_CONFIG_MODULE"}
)
