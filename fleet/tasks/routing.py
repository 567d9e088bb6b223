"""The routing of this process: from the fleet it works for, else from a fleet.toml.

In a worker $FLEET_ROUTING names the RoutingSpec that the controller keeps up to date; fleet.toml is never
read there. Elsewhere it is the file of `fleet.configure`, $FLEET_FILE, or a fleet.toml here or above. Both
are read again when they change; a fleet.toml that has become wrong leaves the last good one in force.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.broker.router import Router
from fleet.spec import RoutingSpec

if TYPE_CHECKING:
    from fleet.config.load import Loaded


class BadFleetFile(ValueError):  # noqa: N818
    """fleet.toml can't be used, or there is none; the text shows its errors, with lines."""


@dataclass(frozen=True, slots=True)
class Routing:
    """A RoutingSpec ready for use, and the file that it came from."""

    spec: RoutingSpec
    router: Router
    source: Path
    stamp: tuple[int, int] = (0, 0)  # of the file: inode and mtime


_chosen: tuple[Path | None, str | None] = (None, None)  # by configure(): file and env
_latest: Routing | None = None


def from_spec(spec: RoutingSpec, source: Path) -> Routing:
    return Routing(spec, Router(spec.routes), source)


def use_file(path: str | Path, env: str | None) -> None:
    global _chosen, _latest  # one routing per process
    _chosen, _latest = (Path(path), env), None


def routing() -> Routing:
    """The routing in force. Raises BadFleetFile."""
    global _latest  # noqa: PLW0603
    source = _source()
    if _latest is not None and (_latest.source, _latest.stamp) == (source, _stamp(source)):
        return _latest
    try:
        _latest = _read(source)
    except BadFleetFile:
        if _latest is None or _latest.source != source:
            raise
    return _latest


def _source() -> Path:
    if in_worker := os.environ.get("FLEET_ROUTING"):
        return _path(in_worker)
    if _chosen[0] is not None:
        return _chosen[0]
    from fleet.config.load import Unreadable, find_file

    try:
        return find_file()
    except Unreadable:
        raise BadFleetFile(
            "no fleet.toml in the current folder or one above it, so it is not known where messages go: call "
            'fleet.configure("/path/to/fleet.toml") before the first send, or set FLEET_FILE in this '
            "program's environment"
        ) from None


@lru_cache(1)
def _path(text: str) -> Path:
    """Asked for with each message."""
    return Path(text)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_ino, status.st_mtime_ns)


def _read(source: Path) -> Routing:
    stamp = _stamp(source)
    in_worker = "FLEET_ROUTING" in os.environ
    spec = _from_json(source) if in_worker else _from_toml(source, _chosen[1])
    return Routing(spec, Router(spec.routes), source, stamp)


def _from_json(path: Path) -> RoutingSpec:
    try:
        return RoutingSpec.from_json(path.read_text())
    except (OSError, ValueError, TypeError) as error:
        raise BadFleetFile(f"{path}, written by the fleet for its workers, can't be read: {error}") from error


def _from_toml(path: Path, env: str | None) -> RoutingSpec:
    from fleet.config.load import Unreadable, load
    from fleet.config.resolve import routing as resolve_routing

    try:
        loaded = load(path, env=env, rules=False)
        if loaded.fleet is None:
            raise BadFleetFile(f"{path} has errors:\n\n{_rendered(loaded)}")
        return resolve_routing(loaded.fleet)
    except Unreadable as error:
        raise BadFleetFile(str(error)) from None


def _rendered(loaded: Loaded) -> str:
    from fleet.diagnostics.text import Style, render

    return render(loaded.diagnostics, loaded.source.text, loaded.source.name, Style(width=100))
