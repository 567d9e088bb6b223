"""The Celery app whose `beat_schedule` this process sends. Found by name: no other scheduler loads Celery."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from fleet.launch_specs import BeatApp
from fleet.scheduler.lease import Lease
from fleet.scheduler.log import Log
from fleet.schedules.app_schedules import AppSchedule

_SCHEDULE = "fleet.celery.beat_schedule"
_SERVICE = "fleet.celery.beat_service"


class Service(Protocol):
    """A scheduler class of Celery's kind at work, in a thread of its own."""

    def start(self) -> None: ...

    def shown(self) -> dict[str, Any]:
        """As JSON."""

    def stop(self) -> None:
        """Let it write down what it remembers; waits for that, but not for ever."""


class LoadedApp:
    """`error` is why it can't be loaded; then there are no schedules. `service` is there for a class of its own."""

    def __init__(self, spec: BeatApp | None, log: Log, *, folder: Path) -> None:
        self.edition = spec.edition if spec else ""
        self.schedules: tuple[AppSchedule, ...] = ()
        self.service: Service | None = None
        self.lease: Lease | None = None
        self.error: str | None = None
        if spec is None:
            return
        os.environ.update(spec.environment)
        try:
            taken = import_module(_SCHEDULE).take(
                spec.entries, spec.pythonpath, spec.scheduler, _Complaints(log)
            )
        except ImportError as error:
            self.error = str(error)
        except (
            Exception
        ) as error:  # BootFailed, which belongs to the worker, and what else a project may raise
            self.error = str(error) or repr(error)
        else:
            self.schedules = taken.schedules
            if taken.scheduler is not None:
                self.lease = Lease(f"{os.uname().nodename}:{folder}")
                self.service = import_module(_SERVICE).BeatService(
                    taken.app, taken.scheduler, self.lease.is_held, log=log, folder=folder
                )

    @property
    def is_empty(self) -> bool:
        return not self.schedules and self.service is None and self.error is None


class _Complaints:
    """Of entries, once for each thing that is wrong."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def __call__(self, name: str, text: str) -> None:
        if (name, text) not in self._told:
            self._told.add((name, text))
            self._log.warning(f"{name}: {text}")
