"""The run of one moment, sent by a process that ends with it: what a CronJob of a cluster starts.

The engine is the clock, and this is the rest: the same identity, the same note in the same step, the same `overlap`
and pauses as with a scheduler that stays. A Job that is started twice, or starts anew, therefore sends nothing twice.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Literal

from fleet.broker.delivery import BrokerUnavailable, Refused
from fleet.broker.notes import Entry
from fleet.scheduler.loop import Scheduler
from fleet.scheduler.remembered import with_queue
from fleet.schedules.due import deal_with, offset
from fleet.schedules.moments import MINUTE, SECOND, latest
from fleet.schedules.notes import adopt, timing_of

Outcome = Literal["sent", "already sent", "skipped", "paused"]

_JOB = re.compile(
    r"-(\d{6,10})$"
)  # Kubernetes ends the name of a CronJob's Job with the minute that it is of
_NEAR = 35 * 24 * 60 * MINUTE


def moment_of_job(name: str, now: int) -> int | None:
    """The moment that a Job of that name was started for; None for one that somebody has named himself."""
    found = _JOB.search(name)
    moment = int(found[1]) * MINUTE if found else 0
    return moment if abs(now - moment) < _NEAR else None


class OneRun(Scheduler):
    """A scheduler of which only `fire` is used."""

    def fire(self, name: str, moment: int | None, *, until: float, pause: Callable[[float], None]) -> Outcome:
        """Send that run, unless it was sent, or a later one; the last one that was due without a `moment`.

        `until` is monotonic: how long to wait for another scheduler to hand the schedules over. Raises
        BrokerUnavailable, Refused, and what the making of a message raises.
        """
        schedule = self._plan.schedules[name]
        if not schedule.enabled:
            return "paused"
        self._lead(until)
        found = moment if moment is not None else latest(timing_of(schedule), self._book.now())
        if found is None:
            return "skipped"  # there never was one
        late = found + offset(self._plan.fleet, schedule, found) - self._book.now()
        if late > 0:
            pause(late / SECOND)
        while (outcome := self._try(name, found)) is None:
            pass  # somebody has written the note meanwhile: look again
        return outcome

    def _take_lead(self) -> None:
        """Unlike a scheduler that stays it leaves the notes of all others as they are."""
        texts = self._book.notes()
        if texts is not None:
            self.leads = True
            self._kept.begin(texts)

    def _lead(self, until: float) -> None:
        reader, writer = os.pipe()  # nothing wakes it
        try:
            self.connect()
            while not self.leads:
                if (left := until - time.monotonic()) <= 0:
                    raise BrokerUnavailable(
                        "another scheduler has the schedules, and does not let go of them"
                    )
                self._book.wait(min(left, 1.0), reader)
                self._take_lead()
            while orders := self._book.wait(0, reader):
                self._hear(orders)
        finally:
            os.close(reader)
            os.close(writer)

    def _try(self, name: str, moment: int) -> Outcome | None:
        """None: again."""
        now, schedule = self._book.now(), self._plan.schedules[name]
        note = adopt(self._rule(name), self._kept.notes.get(name), now, seen_until=now)
        if note.last is not None and note.last >= moment:
            return "already sent"
        if note.pause is not None and (note.pause.until is None or now < note.pause.until):
            return "paused"
        note = self._without_lost(schedule, note, now)
        runs, after = deal_with(self._plan.fleet, schedule, note, [(moment, True)], now)
        postings = tuple(self._plan.messages.message(schedule, run) for run in runs)
        after = with_queue(after, postings)
        written = self._write([Entry(name, self._kept.texts.get(name), after.to_json(), postings)])[name]
        if written.refused:
            raise Refused(written.refused)
        if not written.done:
            return None
        return "sent" if runs else "skipped"
