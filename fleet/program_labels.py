"""The labels of a program at the supervisor: what the controller finds its bearings by when it has been restarted.

The supervisor keeps them and gives them back, and never reads them. Their keys outlive versions: a controller takes
over a fleet that an older one has started, or that a newer one has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self, TypeVar

from fleet.slot_names import slot_name

CONTROLLER = {"role": "controller"}
DASHBOARD = {"role": "dashboard"}


class Labelled(Protocol):
    """A program, as far as this is about it."""

    @property
    def group(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, Any]: ...


_Program = TypeVar("_Program", bound=Labelled)


@dataclass(frozen=True, slots=True)
class WorkerLabels:
    """What it says of a worker on its program. `token` is "" where an older controller has started it."""

    group: str
    replica: int
    serial: int
    revision: str
    launch_file: str
    token: str = ""

    @classmethod
    def of(cls, program: Labelled) -> Self:
        """Of one that `workers` gives. Raises KeyError."""
        said = program.labels
        return cls(
            group=program.group,
            replica=int(said["replica"]),
            serial=int(said["serial"]),
            revision=str(said["revision"]),
            launch_file=str(said.get("launch_file", "")),
            token=str(said.get("token", "")),
        )

    @property
    def slot(self) -> str:
        """Of whom it is, for people: "http/0"."""
        return slot_name(self.group, self.replica)

    def to_dict(self) -> dict[str, Any]:
        return {"role": "worker", **asdict(self)}


def workers(programs: Iterable[_Program]) -> list[_Program]:
    """The programs that fill slots."""
    return [program for program in programs if program.labels.get("role") == "worker"]


def controller(programs: Iterable[_Program]) -> _Program | None:
    return _of_role("controller", programs)


def dashboard(programs: Iterable[_Program]) -> _Program | None:
    return _of_role("dashboard", programs)


def _of_role(role: str, programs: Iterable[_Program]) -> _Program | None:
    return next((program for program in programs if program.labels.get("role") == role), None)
