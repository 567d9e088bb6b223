"""Settings without the folder they were read in, so that one file has the same revision wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec, RoutingSpec

_SQLITE = "sqlite:///"


def portable_worker(spec: WorkerSpec, folder: str) -> WorkerSpec:
    """`spec` with what lies in `folder` named from there; for revisions, not to be run."""
    paths = tuple(_from(folder, path) for path in spec.pythonpath)
    return replace(spec, pythonpath=paths, broker=_portable_broker(spec.broker, folder))


def portable_routing(spec: RoutingSpec, folder: str) -> RoutingSpec:
    return replace(spec, broker=_portable_broker(spec.broker, folder))


def _portable_broker(spec: BrokerSpec, folder: str) -> BrokerSpec:
    before, found, path = spec.url.partition(_SQLITE)
    return spec if before or not found else replace(spec, url=_SQLITE + _from(folder, path))


def _from(folder: str, path: str) -> str:
    inside = PurePath(path)
    return f"./{inside.relative_to(folder)}" if inside.is_relative_to(folder) else path
