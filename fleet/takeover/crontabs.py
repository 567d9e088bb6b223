"""Crontab files: each line becomes a schedule, with a task that is still to be written for its command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fleet.takeover.found import FileReading, FoundSchedule, Left

_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")
_FIELD = r"[0-9A-Za-z*/,\-]+"
_TIMED = re.compile(rf"\s*((?:@\w+)|(?:{_FIELD}(?:\s+{_FIELD}){{4}}))\s+(.+)")
LINE = re.compile(
    rf"^\s*(?:@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)|"
    rf"[0-9*][0-9*/,\-]*(?:\s+{_FIELD}){{4}})\s+\S",
    re.MULTILINE,
)
"""Of a file that is a crontab."""
_ZONES = ("CRON_TZ", "TZ")
_LOCK = re.compile(r"^flock\s+(?:-\w+\s+)*(\S+)\s+(?:-c\s+)?(.+)")
_RUNNER = re.compile(r"(.*/)?(cd|exec|nice|env|python[\d.]*|bash|sh|node|php|ruby)")
_SLEEP = re.compile(r"^sleep\s+\$\(\(\s*RANDOM\s*%\s*(\d+)\s*\)\)\s*(?:;|&&)\s*(.+)")
_SYSTEM = re.compile(r"^/etc/(crontab|cron\.d/)|(^|/)crontab$|(^|/)cron\.d/")


def crontab(text: str, name: str, _variables: Mapping[str, str]) -> FileReading:
    """The lines of a crontab. Those of /etc, told by their name, have a column for the user."""
    reading, zone, has_users = FileReading(), "", bool(_SYSTEM.search(name)) and name.startswith("/etc/")
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if assigned := _ASSIGNED.match(line):
            variable, value = assigned[1], assigned[2].strip("\"'")
            zone = value if variable in _ZONES else zone
            reading.left += _variable(where, variable)
        elif timed := _TIMED.match(line):
            reading.left += _schedule(reading, where, timed[1], _command(timed[2], has_users), zone)
        else:
            reading.left.append(Left(where, "a line", "no time and command could be read from it"))
    return reading


def _variable(where: str, name: str) -> Iterator[Left]:
    if name == "MAILTO":
        yield Left(where, name, "a run that fails is in the dead-letter queue: `fleet dead list`, [alerts]")
    elif name not in (*_ZONES, "SHELL", "PATH", "HOME", "LOGNAME", "USER"):
        yield Left(where, name, "a variable of its commands: `env_file`, or `env` of the group")


def _command(text: str, has_users: bool) -> str:
    return text.split(None, 1)[-1] if has_users else text


def _schedule(reading: FileReading, where: str, cron: str, command: str, zone: str) -> Iterator[Left]:
    if cron == "@reboot":
        yield Left(where, cron, "fleet has no such moment: do it when the app starts (`on_worker_start`)")
        return
    jitter = overlap = ""
    if slept := _SLEEP.match(command):
        jitter, command = f"{slept[1]}s", slept[2]
    if locked := _LOCK.match(command):
        overlap, command = "skip", locked[2]
    found = FoundSchedule(_name(command), cron, zone, where, jitter, overlap)
    names = {each.name for each in reading.schedules}
    number = 2
    while found.name in names:
        found = found._replace(name=f"{_name(command)}-{number}")
        number += 1
    reading.schedules.append(found)
    yield Left(where, "its command", f'write a task that does it, and name it in place of "{found.task}"')


def _name(command: str) -> str:
    """By its last word that says what is done: the arguments of a command may be secrets."""
    words = [word for word in re.split(r"[\s;&|]+", command) if word and not re.search(r"[=$`<>\"']", word)]
    programs = [word for word in words if not word.startswith("-") and not _RUNNER.fullmatch(word)]
    if "manage.py" in " ".join(programs):
        place = next(index for index, word in enumerate(programs) if word.endswith("manage.py"))
        programs = programs[place + 1 :] or programs
    elif programs and programs[0].startswith("/") and "cd" in words and len(programs) > 1:
        programs = programs[1:]
    base = programs[0].rpartition("/")[2] if programs else "job"
    return re.sub(r"[^A-Za-z0-9_-]+", "-", re.sub(r"\.\w+$", "", base)).strip("-_") or "job"
