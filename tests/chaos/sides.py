"""What a mix needs of those under fire: a fleet (fleet_side) or, to compare, Celery (celery_side)."""

from __future__ import annotations

from typing import Protocol

from tests.chaos.messages import Work
from tests.chaos.processes import Process
from tests.chaos.schedule import Fault


class Side(Protocol):
    """Runs the app of this folder until `stop`."""

    def start(self) -> None:
        """Returns when messages are taken."""

    def strike(self, fault: Fault) -> frozenset[int]:
        """One of the kinds of schedule.PROCESSES, PREFORK or EDITS; the pids of what it killed."""

    def tend(self) -> None:
        """Called again and again: a service manager's part. Raises AssertionError on an unasked-for end."""

    def rescue(self) -> None:
        """Messages are ready and nobody takes them. Raises AssertionError where that must not be."""

    def publisher(self, work: Work) -> list[str]:
        """The command that sends the messages."""

    def publishing(self) -> dict[str, str]:
        """What that command needs in its environment."""

    def stop(self) -> None:
        """Let it drain and end."""

    def left_over(self) -> list[Process]: ...

    def kill_all(self) -> None: ...
