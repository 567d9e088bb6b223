"""Errors that come again in every look, told once a minute: what can't be done now is tried all the time."""

from __future__ import annotations

import time

from fleet.controller.log.events import EventLog

_REPEAT_SECONDS = 60.0


class Throttled:
    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._told: dict[str, float] = {}  # message → when, monotonic

    def add(self, message: str) -> None:
        now = time.monotonic()
        self._told = {told: at for told, at in self._told.items() if now - at < _REPEAT_SECONDS}
        if message not in self._told:
            self._told[message] = now
            self._log.error(message)
