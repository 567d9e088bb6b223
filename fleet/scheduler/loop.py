"""The scheduler's loop: hear, see what is due, send it with its note, wait for the next moment.

What is decided is decided by fleet.schedules; here are a heap of the next moments and the line to the broker.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleet.broker.delivery import BrokerUnavailable, Delivery, MessageTooLarge
from fleet.broker.notes import Entry, Written
from fleet.broker.router import Unroutable
from fleet.launch_specs import ScheduleSpec
from fleet.scheduler import lease
from fleet.scheduler.beat_app import LoadedApp
from fleet.scheduler.books import Book
from fleet.scheduler.known import KnownFile, app_schedules_shown
from fleet.scheduler.log import Log
from fleet.scheduler.messages import Messages
from fleet.scheduler.remembered import Remembered, with_queue
from fleet.schedules.due import Look, lateness, look, lost, offset
from fleet.schedules.notes import (
    OFF,
    Note,
    Run,
    read_alive,
    rule_of,
    written_alive,
)
from fleet.schedules.order_effects import changed_by, nothing
from fleet.schedules.orders import read_order
from fleet.tasks.sending import UnknownQueue

LONGEST_WAIT_SECONDS = 5.0
"""A clock that is set is noticed when this one looks at it again."""

ALIVE_EVERY = 60_000
"""Milliseconds. After a death, a schedule whose timing was edited meanwhile is caught up from the last of these."""

ALIVE = ""
"""The name of the note that says so. No schedule has it."""

UNSENDABLE = (Unroutable, UnknownQueue, MessageTooLarge, TypeError, ValueError)
"""What the making of a message raises."""

_AT_ONCE = 200  # schedules whose notes are written together
_LOOK_AROUND = 10_000  # milliseconds at least between two looks at what others have written
_REST = 1000  # as much time as a look took, so many times
_UNSENDABLE_AGAIN = 30_000  # milliseconds
_REFUSED_AGAIN = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent: the schedules of a file and of an app, and how their messages are made."""

    fleet: str
    schedules: dict[str, ScheduleSpec]
    messages: Messages
    app: LoadedApp | None = None


class Scheduler:
    """One scheduler on one book. Raises BrokerUnavailable; then `connect` again."""

    def __init__(self, plan: Plan, book: Book, log: Log, known: KnownFile) -> None:
        self._plan = plan
        self._book = book
        self._log = log
        self._known = known
        self._kept = Remembered()
        self._looked_around_at = 0
        self._look_around_every = _LOOK_AROUND
        self._late: dict[str, tuple[str, int]] = {}  # the run, and milliseconds
        self._next: dict[str, int] = {}  # when the next run of each is to be sent
        self._heap: list[tuple[int, str, int]] = []
        self._generation: dict[str, int] = {}  # an entry of the heap with another one is void
        self._alive_at = 0
        self._unsent: dict[str, str] = {}  # by name what keeps its runs from being sent
        self.leads = False
        self.looks = 0
        """How often it has looked for what is due: wake-ups, for tests and benchmarks."""

    def connect(self) -> None:
        self.leads = False
        self._book.connect()
        self._take_lead()
        self._known.changed()  # also if another scheduler leads: the file may tell of an outage, or of one that is dead

    def adopt(self, plan: Plan) -> None:
        """Go by these schedules from now on; what has not changed goes on as if nothing had happened."""
        if self.leads:
            self._send_due()  # until now it went by the others
        self._plan = plan
        if self.leads:
            self._begin(seen_until=self._book.now())

    def step(self, wake_fd: int) -> None:
        """One round: at most LONGEST_WAIT_SECONDS, shorter when something comes due or `wake_fd` is readable."""
        orders = self._book.wait(self._pause(), wake_fd)
        if not self.leads:
            self._take_lead()
        if not self.leads:
            return
        if orders:
            self._hear(orders)
        self._send_due()
        self._look_around()
        self._stay_alive()
        self._renew_lease()

    def say_goodbye(self) -> None:
        """Until now all was seen."""
        if self.leads:
            self._note_alive(self._book.now())

    def tell(self) -> None:
        """Write down what is known, if it is time to."""
        if self._known.due_in() <= 0:
            self._known.write(self.shown())

    def shown(self) -> dict[str, Any]:
        """As JSON: what is remembered of each schedule of the file."""
        schedules = {
            name: {
                **note.to_dict(),
                "late": self._late_of(schedule, note),
                "next": self._next.get(name),
                "error": self._unsent.get(name),
            }
            for name, schedule in self._plan.schedules.items()
            if (note := self._kept.notes.get(name)) is not None
        }
        app = self._plan.app
        return {
            "at": int(time.time() * 1000),
            "leads": self.leads,
            "error": None,
            "schedules": schedules,
            "app": app_schedules_shown(self._plan.schedules.values(), self._next),
            "edition": app.edition if app else "",
            "app_error": app.error if app else None,
            "beat": app.service.shown() if app and app.service else None,
        }

    def _take_lead(self) -> None:
        texts = self._book.notes()
        if texts is None:
            return
        self.leads = True
        self._kept.begin(texts)
        self._alive_at = read_alive(texts.get(ALIVE))
        self._begin(seen_until=self._alive_at)
        self._log.info(f"looks after {len(self._plan.schedules)} schedules")

    def _begin(self, *, seen_until: int) -> None:
        now = self._book.now()
        names = dict.fromkeys([*self._plan.schedules, *self._kept.notes])

        def changes(name: str) -> Note:
            return self._kept.adopted(name, self._rule(name), now, seen_until=seen_until)

        self._change(names, changes)
        for name in names:
            self._kept.has_dealt(name, self._rule(name), now)
        self._heap.clear()
        for name in self._plan.schedules:
            self._push(name, now)
        self._known.changed()

    def _rule(self, name: str) -> str:
        schedule = self._plan.schedules.get(name)
        return OFF if schedule is None else rule_of(schedule)

    def _change(self, names: Iterable[str], change: Callable[[str], Note]) -> None:
        """Write these notes as they are to become, again for those that somebody else has changed meanwhile."""
        left = list(names)
        while left:
            batch, left = left[:_AT_ONCE], left[_AT_ONCE:]
            entries = [
                Entry(name, self._kept.texts.get(name), after.to_json())
                for name in batch
                if (after := change(name)) != self._kept.notes.get(name)
            ]
            left += [name for name, outcome in self._write(entries).items() if not outcome.done]

    def _write(self, entries: Sequence[Entry]) -> dict[str, Written]:
        """By name what has become of each."""
        if not entries:
            return {}
        written = {entry.name: each for entry, each in zip(entries, self._book.enter(entries), strict=True)}
        for name, outcome in written.items():
            self._kept.learn(name, outcome)
        self._known.changed()
        return written

    def _push(self, name: str, at: int) -> None:
        generation = self._generation[name] = self._generation.get(name, 0) + 1
        heapq.heappush(self._heap, (at, name, generation))

    def _pause(self) -> float:
        """Seconds until there is something to do."""
        pause = min(LONGEST_WAIT_SECONDS, self._known.due_in())
        if self.leads and self._heap:
            pause = min(pause, (self._heap[0][0] - self._book.now()) / 1000)
        return max(0.0, pause)

    def _send_due(self) -> None:
        self.looks += 1
        while names := self._due(self._book.now()):
            self._send(names)

    def _due(self, now: int) -> list[str]:
        names: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(names) < _AT_ONCE:
            _, name, generation = heapq.heappop(self._heap)
            if self._generation.get(name) == generation and name in self._plan.schedules:
                names.append(name)
        return names

    def _send(self, names: Sequence[str]) -> None:
        now = self._book.now()
        looks: dict[str, Look] = {}
        entries = []
        for name in names:
            schedule = self._plan.schedules[name]
            note = self._kept.adopted(name, self._rule(name), now, seen_until=now)
            note = self._without_lost(schedule, note, now)
            found = look(self._plan.fleet, schedule, note, now)
            after = found.note or note
            try:
                postings = tuple(self._plan.messages.message(schedule, run) for run in found.runs)
            except UNSENDABLE as error:
                self._could_not_send(schedule, found, f"can't be sent: {error}")
                self._push(name, now + _UNSENDABLE_AGAIN)
                continue
            looks[name] = found
            after = with_queue(after, postings)
            if after != self._kept.notes.get(name):
                entries.append(Entry(name, self._kept.texts.get(name), after.to_json(), postings))
            if found.warning:
                self._log.warning(f"{name}: {found.warning}")
        try:
            written = self._write(entries)
        except BrokerUnavailable:
            for name in names:
                self._push(name, now)
            raise
        self._note_lateness(written, looks)
        for name, found in looks.items():
            outcome = written.get(name)
            if outcome is not None and outcome.refused:
                why = f"the broker does not take it: {outcome.refused}"
                self._could_not_send(self._plan.schedules[name], found, why)
                self._push(name, now + _REFUSED_AGAIN)
            elif outcome is not None and not outcome.done:
                self._push(name, now)
            else:
                self._has_looked(name, found.next_at, now)

    def _has_looked(self, name: str, next_at: int | None, now: int) -> None:
        """What was due is sent, or there was nothing."""
        self._kept.has_dealt(name, self._rule(name), now)
        self._unsent.pop(name, None)
        if next_at is None:
            self._next.pop(name, None)
        else:
            self._push(name, next_at)
            self._next[name] = next_at

    def _without_lost(self, schedule: ScheduleSpec, note: Note, now: int) -> Note:
        """With `overlap = "skip"`: a run that is nowhere any more, as after a purge, must not hold up all others."""
        if schedule.overlap != "skip" or not note.is_running or note.run is None or not note.run.queue:
            return note
        return lost(note, now) if self._book.is_empty(note.run.queue) else note

    def _note_lateness(self, written: Mapping[str, Written], looks: Mapping[str, Look]) -> None:
        sent_at = self._book.now()
        for name, outcome in written.items():
            if outcome.done and (runs := looks[name].runs):
                run = replace(runs[-1], sent_at=sent_at)
                self._late[name] = run.id, lateness(run, self._plan.fleet, self._plan.schedules[name])

    def _late_of(self, schedule: ScheduleSpec, note: Note) -> int | None:
        """Of the last run; when another host has sent it, as that one began to."""
        if note.run is None:
            return None
        ident, late = self._late.get(schedule.name, ("", 0))
        return late if ident == note.run.id else lateness(note.run, self._plan.fleet, schedule)

    def _could_not_send(self, schedule: ScheduleSpec, found: Look, why: str) -> None:
        """Told once, until something else is wrong, or nothing any more. The run stays due: it is late from then on."""
        name, first = schedule.name, found.runs[0].moment
        due = first + offset(self._plan.fleet, schedule, first)
        self._next[name] = min(due, self._next.get(name, due))
        self._known.changed()
        if self._unsent.get(name) != why:
            self._unsent[name] = why
            self._log.warning(f"{name}: {why}")

    def _hear(self, orders: Sequence[Delivery]) -> None:
        for each in orders:
            if (said := read_order(each.body)) is not None:
                self._carry_out(said)
        self._book.done(orders)

    def _carry_out(self, said: Any) -> None:
        name, now = str(said.get("name")), self._book.now()
        if name not in self._kept.notes:
            return
        if said["do"] == "run":
            self._send_now(name, str(said.get("id")), now)
            return
        try:
            changed = changed_by(said, now)
        except (KeyError, ValueError, TypeError):
            self._log.warning(f"an order that can't be read: {str(said)[:200]}")
            return
        self._change(
            [name], lambda name: changed(self._kept.notes[name]) if name in self._kept.notes else nothing(now)
        )
        if name in self._plan.schedules:
            self._push(name, now)

    def _send_now(self, name: str, ident: str, now: int) -> None:
        """As somebody asks for, beside the clock: of an app's schedule, whose messages nobody else can make."""
        schedule = self._plan.schedules.get(name)
        if schedule is None:
            return
        try:
            posting = self._plan.messages.message(schedule, Run(ident, now, now))
        except UNSENDABLE as error:
            self._log.warning(f"{name}: can't be sent: {error}")
            return
        note = self._kept.notes[name].to_json()
        while not self._write([Entry(name, self._kept.texts.get(name), note, (posting,))])[name].done:
            note = self._kept.notes[name].to_json()

    def _look_around(self) -> None:
        """What others have written meanwhile: runs and ends for the status, and pauses, which hold here as well."""
        now = self._book.now()
        if abs(now - self._looked_around_at) < self._look_around_every:
            return
        begun_at = time.monotonic()
        texts = self._book.notes()
        if texts is None:
            return
        before = {name: note.pause for name, note in self._kept.notes.items()}
        for name in self._kept.look_again(texts):
            self._known.changed()
            note = self._kept.notes.get(name)
            if name in self._plan.schedules and (note is None or note.pause != before.get(name)):
                self._push(name, now)
        took = (time.monotonic() - begun_at) * 1000
        self._looked_around_at = now
        self._look_around_every = max(_LOOK_AROUND, round(_REST * took))

    def _renew_lease(self) -> None:
        """Of the app's own scheduler class: one host lets it send."""
        app = self._plan.app
        if app is None or app.lease is None:
            return
        self._known.changed()
        begun_at = time.monotonic()
        entry = app.lease.renewal(self._kept.texts.get(lease.NAME), self._book.now())
        if entry is None:
            return
        [written] = self._book.enter([entry])
        self._kept.learn(lease.NAME, written)
        app.lease.written(written, begun_at)

    def _stay_alive(self) -> None:
        now = self._book.now()
        if now - self._alive_at >= ALIVE_EVERY:
            self._note_alive(now)

    def _note_alive(self, now: int) -> None:
        """Of several schedulers one does."""
        [written] = self._book.enter([Entry(ALIVE, self._kept.texts.get(ALIVE), written_alive(now))])
        if written.note is not None:
            self._kept.texts[ALIVE] = written.note
        self._alive_at = read_alive(written.note)
