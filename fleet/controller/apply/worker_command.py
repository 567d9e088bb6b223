"""The command of a worker: one of its own, or of the zygote that forks it."""

from __future__ import annotations

import sys
from pathlib import Path

from fleet.broker.urls import scheme
from fleet.launch_specs import Preload, WorkerSpec

_PRELOADED = ("solo", "threads", "prefork", "asyncio")
"""A green pool patches the standard library first, and its hub does not go well with forks."""

# Whether the current folder can be imported from is decided once, by who started this process: a project's
# `select.py` must not become everybody's.
_WORKER = (sys.executable, *(("-P",) if sys.flags.safe_path else ()), "-m", "fleet.worker")


def worker_command(launch_file: Path) -> tuple[str, ...]:
    return (*_WORKER, str(launch_file))


def preload_command(spec: WorkerSpec, edition: int) -> tuple[str, ...]:
    """Of the zygote that can fork workers with `spec`; () when there is none.

    A rollout and a restart bring another one, and so the code as it is then, as they do without.
    """
    if not spec.preload or spec.pool not in _PRELOADED:
        return ()
    # With prefork only the pool processes import the app, which they have from a fork server of their own.
    app = () if spec.pool == "prefork" else spec.app
    told = Preload(spec.pool, scheme(spec.broker.url), app, spec.pythonpath, f"{spec.revision}.{edition}")
    return (*_WORKER, "--preload", told.to_json())
