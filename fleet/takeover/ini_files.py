"""Celery's command lines in configurations of supervisord and in units of systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from fleet.takeover.found import FileReading, FoundCommand, Left
from fleet.takeover.shell_scripts import add_line

_SECONDS = {"": 1, "s": 1, "sec": 1, "ms": 0.001, "m": 60, "min": 60, "h": 3600}


class _Section(NamedTuple):
    name: str
    line: int
    values: dict[str, list[str]]
    lines: dict[str, int]

    def last(self, key: str) -> str:
        return self.values.get(key, [""])[-1]


def supervisord(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """[program:x] sections: command, numprocs, directory, user, environment, stopwaitsecs."""
    reading = FileReading()
    for section in _sections(text, continued_by_indent=True):
        if not section.name.startswith("program:"):
            continue
        environment = _environment(section.last("environment"))
        process = section.name.removeprefix("program:")
        command = section.last("command").replace("%(program_name)s", process)
        command = re.sub(r"-?%\(process_num\)\d*d", "", command).replace("%%", "%")
        numprocs = section.last("numprocs")
        pattern = FoundCommand(
            (),
            f"{name}:{section.lines.get('command', section.line)}",
            process,
            int(numprocs) if numprocs.isdigit() else 1,
            environment,
            section.last("directory"),
            section.last("user"),
            _seconds(section.last("stopwaitsecs")),
        )
        add_line(reading, command, {**variables, **environment}, pattern)
    return reading


def systemd(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """[Service]: ExecStart, WorkingDirectory, User, Environment=, TimeoutStopSec; template units as well."""
    reading = FileReading()
    is_named = name.endswith(".service")  # standard input is not
    unit = PurePosixPath(name).name.removesuffix(".service") if is_named else ""
    for section in _sections(text, continued_by_indent=False):
        if section.name != "Service":
            continue
        environment = {
            key: value
            for line in section.values.get("Environment", [])
            for key, value in _environment(line).items()
        }
        before = len(reading.found)
        for command in section.values.get("ExecStart", []):
            pattern = FoundCommand(
                (),
                f"{name}:{section.lines['ExecStart']}",
                unit.partition("@")[0],
                environment=environment,
                folder=section.last("WorkingDirectory").lstrip("-"),
                user=section.last("User"),
                stop_seconds=_seconds(section.last("TimeoutStopSec")),
            )
            line = _specifiers(command.lstrip("@-:+!"), unit)
            add_line(reading, line, {**variables, **environment}, pattern)
        if len(reading.found) > before:
            _of_the_unit(reading, section, unit, f"{name}:{section.line}")
    return reading


def _of_the_unit(reading: FileReading, section: _Section, unit: str, where: str) -> None:
    if unit.endswith("@"):
        reading.left.append(
            Left(where, f"the instances of {unit}.service", "the file does not say how many: set `replicas`")
        )
    if section.last("Group"):
        reading.left.append(
            Left(
                where,
                f"Group={section.last('Group')}",
                "a group's processes run in the groups of `user`",
            )
        )


def environment_files(text: str) -> list[str]:
    """Paths of EnvironmentFile= lines of a unit."""
    return [
        path.lstrip("-")
        for section in _sections(text, continued_by_indent=False)
        for path in section.values.get("EnvironmentFile", [])
    ]


def _specifiers(command: str, unit: str) -> str:
    """%i, %n and so on: a part of a name that differs between instances says nothing here. %% is %."""
    command = re.sub(r"[-_.]?%[iIjJ]", "", command)
    return command.replace("%N", unit).replace("%p", unit.partition("@")[0]).replace("%%", "%")


def _environment(text: str) -> dict[str, str]:
    """`A="1",B='2'` of supervisord and `"A=1" B=2` of systemd."""
    pairs = re.findall(r"""["']?([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^,\s"']*)""", text)
    return {key: value.strip("\"'") for key, value in pairs}


def _seconds(text: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip())
    return float(match[1]) * _SECONDS[match[2]] if match and match[2] in _SECONDS else None


def _sections(text: str, *, continued_by_indent: bool) -> Iterator[_Section]:
    section = _Section("", 0, {}, {})
    key, open_line = "", False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = re.sub(r"\s;.*$", "", line) if continued_by_indent else line
        if not bare.strip() or bare.lstrip()[0] in "#;":
            continue
        header = re.fullmatch(r"\[(.+)\]\s*", bare)
        if open_line or (continued_by_indent and key and bare[0].isspace()):
            section.values[key][-1] += " " + bare.strip()
        elif header:
            yield section
            section, key = _Section(header[1], number, {}, {}), ""
        elif "=" in bare:
            key, _, value = (part.strip() for part in bare.partition("="))
            section.values.setdefault(key, []).append(value)
            section.lines.setdefault(key, number)
        open_line = bool(key) and section.values[key][-1].endswith("\\")
        if open_line:
            section.values[key][-1] = section.values[key][-1][:-1].rstrip()
    yield section
