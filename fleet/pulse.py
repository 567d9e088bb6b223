"""The pulse of a host: what its controller says of it every few seconds, and what is wrong with all of them together.

Pure. A pulse carries no time: how old it is says whoever carries or hears it, so that clocks may be apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

EVERY_SECONDS = 3.0
SILENT_SECONDS = 12.0
"""Three missed, and a moment."""
_MOST = 2_000
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class GroupPulse:
    """One worker group on one host. `desired` and `ready` count replicas."""

    name: str
    revision: str = ""
    desired: int = 0
    ready: int = 0
    failed: int = 0
    paused: bool = False
    singleton: bool = False


@dataclass(frozen=True, slots=True)
class Pulse:
    """`others`: which hosts this one has heard, by id: (name, seconds ago)."""

    id: str
    host: str
    state: str = ""
    reasons: tuple[str, ...] = ()
    revision: str = ""
    groups: tuple[GroupPulse, ...] = ()
    others: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host, and how many seconds ago it was heard; `pulse` None: only others have heard it."""

    id: str
    host: str
    seconds: float
    pulse: Pulse | None = None

    @property
    def silent(self) -> bool:
        return self.seconds > SILENT_SECONDS


def read(text: str) -> Pulse | None:
    """None for what no controller says: whoever may publish may say anything."""
    try:
        said = json.loads(text)
        return Pulse(
            _text(said["id"]),
            _text(said["host"]),
            _text(said.get("state", "")),
            tuple(map(_text, said.get("reasons", ())))[:_MOST],
            _text(said.get("revision", "")),
            tuple(map(_group, said.get("groups", ())))[:_MOST],
            {
                _text(name): (_text(host), _seconds(seconds))
                for name, (host, seconds) in said.get("others", {}).items()
            },
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def merged(heard: Mapping[str, tuple[str, float]]) -> list[HostSeen]:
    """All hosts by name, from (text, seconds ago) by id, and from what these have heard."""
    found: dict[str, HostSeen] = {}
    pulses = [(pulse, seconds) for text, seconds in heard.values() if (pulse := read(text)) is not None]
    for pulse, seconds in pulses:
        found[pulse.id] = HostSeen(pulse.id, pulse.host, seconds, pulse)
    for pulse, seconds in pulses:
        for name, (host, ago) in pulse.others.items():
            seen = found.get(name)
            if seen is None or (seen.pulse is None and ago + seconds < seen.seconds):
                found[name] = HostSeen(name, host, ago + seconds)
    return sorted(found.values(), key=lambda each: (each.host, each.id))


def wrong(hosts: Sequence[HostSeen]) -> Iterator[str]:
    """Why the hosts together are not well, in words."""
    for each in hosts:
        if each.silent:
            yield f"{each.host} silent for {each.seconds:.0f} s"
        elif each.pulse is not None and each.pulse.state not in ("healthy", "stopping"):
            why = "; ".join(each.pulse.reasons) or "no reason given"
            yield f"{each.host} {each.pulse.state}: {why}"
    present = [(each.host, each.pulse) for each in hosts if each.pulse is not None and not each.silent]
    for name in sorted({group.name for _, pulse in present for group in pulse.groups if group.singleton}):
        at = [host for host, pulse in present for group in pulse.groups if group.name == name and group.ready]
        if len(at) > 1:
            yield f"singleton {name} runs on {len(at)} hosts: {', '.join(at)}"
    by_revision: dict[str, list[str]] = {}
    for host, pulse in present:
        by_revision.setdefault(pulse.revision, []).append(host)
    if len(by_revision) > 1:
        parts = [
            f"{revision or 'none'} on {', '.join(those)}" for revision, those in sorted(by_revision.items())
        ]
        yield f"different revisions: {'; '.join(parts)}"


def _group(said: Any) -> GroupPulse:
    return GroupPulse(
        _text(said["name"]),
        _text(said.get("revision", "")),
        _whole(said.get("desired", 0)),
        _whole(said.get("ready", 0)),
        _whole(said.get("failed", 0)),
        paused=bool(said.get("paused")),
        singleton=bool(said.get("singleton")),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value[:_LONGEST]


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("expected a whole number")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e9:
        raise ValueError("expected seconds")
    return float(value)
