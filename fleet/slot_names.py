"""The names of a slot and of the workers in it, one after the other: for people, at the supervisor, on disk. Pure.

A slot is the place of a worker in its group, by its number. The serial grows with each worker that fills the slot.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FILE = re.compile(r"(?P<group>.+)\.(?P<replica>\d+)\.(?P<serial>\d+)\.(?P<kind>log|json)(?:\.(?P<age>\d+))?")


def slot_name(group: str, replica: int) -> str:
    """For people, in reports, and in what owns a lease: "http/0"."""
    return f"{group}/{replica}"


def group_of(slot: str) -> str | None:
    """The group of "http/0"; None for what is no slot."""
    group, slash, _ = slot.rpartition("/")
    return group if slash else None


def program_name(replica: int, serial: int) -> str:
    """Of the program at the supervisor, within its group: "0.3"."""
    return f"{replica}.{serial}"


def full_name(group: str, name: str) -> str:
    """Of a program among all at the supervisor: "http:0.3"."""
    return f"{group}:{name}"


def worker_full_name(group: str, replica: int, serial: int) -> str:
    return full_name(group, program_name(replica, serial))


def slot_of_program(full_name: str) -> str:
    """For people, the slot of "http:0.3"; of a program that is no worker its name, as in "fleet:controller"."""
    group, _, name = full_name.partition(":")
    return name if group == "fleet" else f"{group}/{name.partition('.')[0]}"


class SlotFile(NamedTuple):
    """What the name of a file says of whose it is. `age` counts rotations, 0 is being written."""

    group: str
    replica: int
    serial: int
    kind: str  # "json": the launch file; "log"
    age: int = 0

    def __str__(self) -> str:
        """The name, "http.0.3.json"."""
        rotated = f".{self.age}" if self.age else ""
        return f"{self.group}.{self.replica}.{self.serial}.{self.kind}{rotated}"

    @property
    def slot(self) -> str:
        return slot_name(self.group, self.replica)


def slot_file(name: str) -> SlotFile | None:
    """None for a file that is no worker's."""
    if (found := _FILE.fullmatch(name)) is None:
        return None
    age = int(found["age"] or 0)
    return SlotFile(found["group"], int(found["replica"]), int(found["serial"]), found["kind"], age)
