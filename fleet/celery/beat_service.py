"""A scheduler class of Celery's kind (django-celery-beat's, RedBeat …) at work: the loop of `celery beat` around it.

It sends by itself, as under beat; fleet sees to it that one instance runs, of all hosts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fleet.clock import time

if TYPE_CHECKING:
    from celery import Celery

_LOOK_SECONDS = 0.5  # for the lease, and for a stop
_AFTER_ERROR_SECONDS = 5.0
_LONGEST_STOP_SECONDS = 5.0
_SHOWN = 200  # entries
_SHOW_EVERY_SECONDS = 2.0


class Log(Protocol):
    """Takes lines for people."""

    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...


class _NotOurs(Exception):  # noqa: N818
    """Another host has the lease by now."""


class BeatService:
    """See Service of fleet.scheduler.beat_app. `may_send` says, at any moment, whether this host's turn lasts."""

    def __init__(
        self, app: Celery, name: str, may_send: Callable[[], bool], *, log: Log, folder: Path
    ) -> None:
        from celery.beat import Service

        self._name = name
        self._may_send = may_send
        self._log = log
        self._service = Service(
            app, scheduler_cls=name, schedule_filename=str(folder / "celerybeat-schedule")
        )
        self._stopping = threading.Event()
        self._shown: list[dict[str, Any]] = []
        self._shown_at = float("-inf")
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(_LONGEST_STOP_SECONDS)

    def shown(self) -> dict[str, Any]:
        return {"class": self._name, "sends": self._may_send(), "error": self._error, "entries": self._shown}

    def _run(self) -> None:
        from celery import signals

        signals.beat_init.send(sender=self._service)
        while not self._stopping.is_set():
            if not self._may_send():
                self._stopping.wait(_LOOK_SECONDS)
                continue
            try:
                self._send_while_ours()
                self._error = None
            except _NotOurs:
                self._log.warning("another host lets the scheduler class send by now")
            except Exception as error:  # of a database, a broker, the class itself: it is made anew
                self._error = f"{type(error).__name__}: {error}"
                self._log.warning(f"{self._name}: {self._error}; trying again")
                self._stopping.wait(_AFTER_ERROR_SECONDS)

    def _send_while_ours(self) -> None:
        scheduler = self._service.get_scheduler()
        send = scheduler.apply_entry

        def fenced(entry: Any, producer: Any = None) -> None:
            if not self._may_send():
                raise _NotOurs  # what the class thinks to have sent is forgotten with it
            send(entry, producer=producer)

        scheduler.apply_entry = fenced
        self._log.info(f"{self._name} sends what is due")
        while not self._stopping.is_set() and self._may_send():
            seconds = scheduler.tick()
            self._error = None
            self._show(scheduler)
            if seconds and seconds > 0:
                self._wait(seconds)
        if self._stopping.is_set():
            with suppress(Exception):  # what it could not write down it reads again
                scheduler.close()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and self._may_send() and (left := deadline - time.monotonic()) > 0:
            self._stopping.wait(min(left, _LOOK_SECONDS))

    def _show(self, scheduler: Any) -> None:
        if time.monotonic() - self._shown_at < _SHOW_EVERY_SECONDS:
            return
        self._shown_at = time.monotonic()
        self._shown = [
            _entry_shown(str(name), entry) for name, entry in list(scheduler.schedule.items())[:_SHOWN]
        ]


def _entry_shown(name: str, entry: Any) -> dict[str, Any]:
    # A row of Django's tells of its runs; its entry is from when it was read.
    told = getattr(entry, "model", entry)
    return {
        "name": name,
        "task": str(entry.task),
        "when": " ".join(str(entry.schedule).split()).strip("<> "),
        "last_run_at": told.last_run_at.isoformat() if told.last_run_at else None,
        "runs": told.total_run_count,
    }
