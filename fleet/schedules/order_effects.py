"""The effects of orders on notes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.schedules.notes import OFF, End, Note, Pause, ended, paused, resumed


def nothing(now: int) -> Note:
    """Of a schedule whose note has gone meanwhile."""
    return Note(rule=OFF, since=now)


def changed_by(said: Any, now: int) -> Callable[[Note], Note]:
    """What an order makes of a note. Raises KeyError, ValueError or TypeError for one that can't be read."""
    match said["do"]:
        case "ended":
            seconds = said.get("seconds")
            end = End(
                str(said["id"]),
                int(said["moment"]),
                str(said["outcome"]),
                int(said["at"]),
                None if seconds is None else float(seconds),
            )
            return lambda note: ended(note, end)
        case "pause":
            until = said.get("until")
            pause = Pause(str(said["by"]), now, None if until is None else int(until), said.get("reason"))
            return lambda note: paused(note, pause)
        case "resume":
            return lambda note: resumed(note, now)
    raise ValueError(said["do"])
