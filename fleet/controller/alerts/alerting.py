"""The controller's alerts: looks every few seconds, and tells from a thread of its own: a dead webhook harms nothing.

What has fired and what is not delivered yet is written down before it is told: after a restart of the controller
nothing fires again, and nothing is forgotten.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleet.controller.alerts.alert_state import AlertNotice, AlertState
from fleet.controller.alerts.conditions import Conditions, Numbers
from fleet.controller.alerts.notification import NotDelivered, deliver
from fleet.controller.atomic_files import write_private
from fleet.controller.history.history import FleetHistory
from fleet.controller.log.events import EventLog
from fleet.controller.log.throttled import Throttled
from fleet.fleet_state import FleetState

EVERY_SECONDS = 5.0
_WINDOW_SECONDS = 300.0
_AGAIN_SECONDS = (5.0, 15.0, 60.0)
_GIVE_UP_SECONDS = 3600.0  # a notice that is older helps nobody; reminders come anyway


class Alerting:
    """`run` in the event loop, for ever. `status` gives that of the fleet, None while there is none."""

    def __init__(
        self,
        path: Path,
        history: FleetHistory,
        log: EventLog,
        declared: Callable[[], FleetState | None],
        status: Callable[[], Awaitable[dict[str, Any] | None]],
    ) -> None:
        self._path = path
        self._history = history
        self._log = log
        self._throttled = Throttled(log)
        self._declared = declared
        self._status = status
        self._conditions = Conditions()
        self._delivering: str | None = None  # id of a notice that a thread has
        self._tries: dict[
            str, tuple[int, float, float]
        ] = {}  # by id: how often, first and next time (monotonic)
        self.ledger = _read(path)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.look()
            except (
                Exception
            ) as error:  # whatever a broker's client, a disk or a bug may raise: alerts end nothing
                self._throttled.add(f"could not look for alerts: {error!r}")

    async def look(self) -> None:
        """Once: what is wrong, what is to be told."""
        fleet = self._declared()
        if fleet is None or fleet.alerts is None:
            if self.ledger != AlertState():
                await self._keep(AlertState())
            return
        status = await self._status()
        if status is None:
            return
        ledger, now = self._history.ledger, time.time()
        numbers = Numbers(ledger.totals, self._history.window(_WINDOW_SECONDS)[1], ledger.last_success)
        wrong = self._conditions.look(status, numbers, fleet.alerts, time.monotonic(), now)
        before = {notice.id for notice in self.ledger.pending}
        await self._keep(self.ledger.look(wrong, now, fleet.alerts.repeat_seconds))
        for notice in self.ledger.pending:
            if notice.id not in before:
                level = "INFO" if notice.state == "resolved" else "WARNING"
                self._log.add(level, f"alert {notice.alert} {notice.state}: {notice.summary}")
        self._deliver_next(fleet)

    async def _keep(self, ledger: AlertState) -> None:
        changed, self.ledger = ledger != self.ledger, ledger
        if changed:
            try:
                await asyncio.to_thread(write_private, self._path, ledger.to_json())
            except OSError as error:
                self._throttled.add(f"could not write down which alerts fire: {error}")

    def _deliver_next(self, fleet: FleetState) -> None:
        """One after the other; what can't be delivered is tried again, and then given up."""
        now = time.monotonic()
        due = [each for each in self.ledger.pending if self._tries.get(each.id, (0, now, now))[2] <= now]
        if self._delivering is not None or not due:
            return
        assert fleet.alerts is not None
        notice, settings, loop = due[0], fleet.alerts, asyncio.get_running_loop()
        self._delivering = notice.id
        body = {"version": 1, "fleet": fleet.fleet, "host": socket.gethostname(), **notice.to_dict()}

        def work() -> None:
            error = None
            try:
                deliver(settings, body, folder=fleet.folder)
            except NotDelivered as failed:
                error = str(failed)
            except Exception as failed:  # nobody foresaw it: the next one may go better
                error = repr(failed)
            try:
                loop.call_soon_threadsafe(self._done, notice, error)
            except RuntimeError:  # the loop is closed: the next controller tells it
                return

        threading.Thread(target=work, name="fleet-alert", daemon=True).start()

    def _done(self, notice: AlertNotice, error: str | None) -> None:
        self._delivering = None
        now = time.monotonic()
        tries, first, _ = self._tries.pop(notice.id, (0, now, now))
        if error is None or now - first > _GIVE_UP_SECONDS:
            self._task = asyncio.ensure_future(self._keep(self.ledger.delivered(notice.id)))
        else:
            pause = _AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)]
            self._tries[notice.id] = (tries + 1, first, now + pause)
        if error is not None:
            self._throttled.add(f"could not tell of alert {notice.alert}: {error}")


def _read(path: Path) -> AlertState:
    try:
        return AlertState.read(path.read_text())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return AlertState()
