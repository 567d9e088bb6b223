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
_CD = re.compile(r"^cd\s+\S+\s*(?:;|&&)\s*")
_LOCK = re.compile(r"^(?:\S*/)?flock\s+(?:-\w+\s+)*(\S+)\s+(?:-c\s+)?(.+)")
_CALLED = re.compile(r"\bcelery\s+(?:\S+\s+)*?call\s+([A-Za-z_][\w.]*)(?=\s|$)")
_RUNNER = re.compile(r"(.*/)?(cd|exec|nice|env|python[\d.]*|bash|sh|node|php|ruby)")
_MODULE = re.compile(r"\bpython[\d.]*\s+(?:-[A-Za-z]+\s+)*?-m\s+(?:\w+\.)*(\w+)")
_SLEEP = re.compile(r"^sleep\s+\$\(\(\s*RANDOM\s*%\s*(\d+)\s*\)\)\s*(?:;|&&)\s*(.+)")
_SYSTEM = re.compile(r"^/etc/crontab$|(^|/)cron\.d/")
_USER_COLUMN = re.compile(
    r"^#.*\bdow\s+user(?:-name)?\s+command\b", re.MULTILINE
)  # the comment of Debian's and Red Hat's
_ACCOUNTS = ("root", "www-data", "nobody")  # none of them is a command


def crontab(text: str, name: str, _variables: Mapping[str, str]) -> FileReading:
    """The lines of a crontab. Those of the system have a column for the user."""
    reading, zone, has_users = FileReading(), "", _has_users(text, name)
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if assigned := _ASSIGNED.match(line):
            variable, value = assigned[1], assigned[2].strip("\"'")
            zone = value if variable == "CRON_TZ" else zone
            reading.left += _variable(where, variable)
        elif timed := _TIMED.match(line):
            cron, command = " ".join(timed[1].split()), _command(timed[2], has_users)
            reading.left += _schedule(reading, where, cron, command, zone)
        else:
            reading.left.append(Left(where, "a line", "no time and command could be read from it"))
    return reading


def _variable(where: str, name: str) -> Iterator[Left]:
    if name == "MAILTO":
        yield Left(where, name, "a run that fails is in the dead-letter queue: `fleet dead list`, [alerts]")
    elif name == "TZ":
        yield Left(
            where,
            name,
            "it is of the commands, cron's times are the machine's: `timezone`, if it was meant so",
        )
    elif name not in ("CRON_TZ", "SHELL", "PATH", "HOME", "LOGNAME", "USER"):
        yield Left(where, name, "a variable of its commands: `env_file`, or `env` of the group")


def _has_users(text: str, name: str) -> bool:
    """By the file's place, its usual comment, or an account where a command would stand."""
    if _SYSTEM.search(name) or _USER_COLUMN.search(text):
        return True
    timed = filter(None, map(_TIMED.match, text.splitlines()))
    return any(each[2].split()[0] in _ACCOUNTS for each in timed)


def _command(text: str, has_users: bool) -> str:
    """What a shell is given: cron takes the backslash from an escaped percent sign."""
    command = text.split(None, 1)[-1] if has_users else text
    return command.replace("\\%", "%")


def _schedule(reading: FileReading, where: str, cron: str, command: str, zone: str) -> Iterator[Left]:
    if cron == "@reboot":
        yield Left(where, cron, "fleet has no such moment: do it when the app starts (`on_worker_start`)")
        return
    jitter = overlap = ""
    folder = _CD.match(command)
    inner = command[folder.end() :] if folder else command
    if slept := _SLEEP.match(inner):
        jitter, inner = f"{slept[1]}s", slept[2]
    if locked := _LOCK.match(inner):
        overlap, inner = "skip", locked[2]
    command = f"{folder[0] if folder else ''}{inner}"
    called = _CALLED.search(command)
    base = called[1] if called else _name(command)
    found = FoundSchedule(base, cron, zone, where, jitter, overlap, called[1] if called else "")
    names = {each.name for each in reading.schedules}
    number = 2
    while found.name in names:
        found = found._replace(name=f"{base}-{number}")
        number += 1
    reading.schedules.append(found)
    if called:
        if re.search(r"\s(?:-a|-k|--args|--kwargs)\b", command):
            yield Left(
                where, "arguments of `celery call`", "they may be secrets: `args`, `kwargs` of the schedule"
            )
        return
    yield Left(where, "its command", f'write a task that does it, and name it in place of "{found.task}"')


def _name(command: str) -> str:
    """By its last word that says what is done: the arguments of a command may be secrets."""
    if module := _MODULE.search(command):
        return module[1]
    words = [word for word in re.split(r"[\s;&|]+", command) if word and not re.search(r"[=$`<>\"']", word)]
    programs = [word for word in words if not word.startswith("-") and not _RUNNER.fullmatch(word)]
    if "manage.py" in " ".join(programs):
        place = next(index for index, word in enumerate(programs) if word.endswith("manage.py"))
        programs = programs[place + 1 :] or programs
    elif programs and programs[0].startswith("/") and "cd" in words and len(programs) > 1:
        programs = programs[1:]
    base = programs[0].rpartition("/")[2] if programs else "job"
    return re.sub(r"[^A-Za-z0-9_-]+", "-", re.sub(r"\.\w+$", "", base)).strip("-_") or "job"
