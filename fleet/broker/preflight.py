"""The preflight role: what `fleet validate --connect` learns of a broker. Nothing is changed on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Objection:
    """Something that the broker would refuse, or (not `refused`) take to the fleet's harm.

    `queue` and `argument` say what it is about, `argument` as the broker calls it: "x-max-priority", "type".
    """

    text: str
    help: str | None = None
    queue: str | None = None
    argument: str | None = None
    refused: bool = True


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a broker said. `server` is its product and version. `compared`: what it holds was compared with the file."""

    server: str
    objections: tuple[Objection, ...] = ()
    compared: bool = True
