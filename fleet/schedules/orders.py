"""Orders to a scheduler through the broker: a run has ended, somebody pauses or resumes a schedule.

Through the broker, for whoever tells it need not be on the host of the scheduler that listens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER = "x-fleet-schedule"
"""Of the message of a run: JSON that says which schedule and moment it is of, and where to tell how it ended."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the header says."""

    name: str
    moment: int
    to: str

    def written(self) -> str:
        return json.dumps({"name": self.name, "moment": self.moment, "to": self.to})

    @classmethod
    def read(cls, value: Any) -> Origin | None:
        """None for what no scheduler has written."""
        try:
            said = json.loads(value)
            return cls(str(said["name"]), int(said["moment"]), str(said["to"]))
        except (TypeError, ValueError, KeyError):
            return None


def order(do: str, name: str, **more: Any) -> bytes:
    """The body of an order."""
    return json.dumps({"do": do, "name": name, **more}).encode()


def read_order(body: bytes) -> Mapping[str, Any] | None:
    """None for what is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("do"), str) else None
