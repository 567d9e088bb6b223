"""Text → Fleet. The names that others need, resolved lazily: the models alone load neither parser nor checks.

`load` itself is only in fleet.config.load: here the module of that name would shadow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleet.config.load import Loaded, Unreadable, find_file
    from fleet.config.model import Autoscale, Fleet, Queue, Route, WorkerGroup
    from fleet.config.resolve import routing, state_dir
    from fleet.config.resolve_groups import worker_spec

_HOME = {
    "load": ("Loaded", "Unreadable", "find_file"),
    "model": ("Autoscale", "Fleet", "Queue", "Route", "WorkerGroup"),
    "resolve": ("routing", "state_dir"),
    "resolve_groups": ("worker_spec",),
}

__all__ = [
    "Autoscale",
    "Fleet",
    "Loaded",
    "Queue",
    "Route",
    "Unreadable",
    "WorkerGroup",
    "find_file",
    "routing",
    "state_dir",
    "worker_spec",
]


def __getattr__(name: str) -> Any:
    import importlib

    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
