"""Dead letters dealt with in bulk: counted, retried or deleted by a filter, batch by batch, with progress and a stop.

Each batch is on its queue, confirmed, before it leaves the dead-letter queue: killed in between, at most that batch is
in both. What a job has done by then is done; nothing of it has to be remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fleet.broker.dead_letter_record import DeadLetterRecord
from fleet.broker.delivery import BrokerUnavailable, Delivery, Refused
from fleet.dashboard.letters import LetterFilter, opened

BATCH = 500
_SHOWN_SECONDS = 600.0
_REMEMBERED = 20
AUDITED = {"retry": "dead-retry", "delete": "dead-purge", "edit": "dead-edit", "count": ""}
"""The verb in the audit; "" for what is not there."""

Note = Callable[[str, str, dict[str, Any]], Any]
"""(verb, outcome, arguments): into the audit, awaitable."""


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """`verb`: count, retry, edit or delete. `most`: no more than so many; `rate`: a second; `canary`: so many first."""

    verb: str
    wanted: LetterFilter
    actor: str
    most: int | None = None
    rate: float | None = None
    canary: int = 0
    change: Callable[[Delivery], Delivery] = lambda delivery: delivery

    @property
    def batch(self) -> int:
        sizes = [BATCH, *([max(1, int(self.rate))] if self.rate else []), *([self.most] if self.most else [])]
        return max(1, min(sizes))


@dataclass(slots=True)
class BulkJob:
    """`state`: running, waiting (after the canary), stopping, and then done, stopped or failed."""

    id: int
    order: BulkOrder
    total: int = 0
    done: int = 0
    examined: int = 0
    stay: int = 0  # whose queue is not declared any more
    state: str = "running"
    error: str | None = None
    began_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    ids: list[str] = field(default_factory=list)  # of the canary
    going: asyncio.Event = field(default_factory=asyncio.Event)

    def to_dict(self) -> dict[str, Any]:
        names = ("id", "total", "done", "examined", "stay", "state", "error", "began_at", "ended_at", "ids")
        order = self.order
        return {
            **{name: getattr(self, name) for name in names},
            "verb": order.verb,
            "actor": order.actor,
            "filter": order.wanted.to_dict(),
            "most": order.most,
            "rate": order.rate,
            "canary": order.canary,
        }


class Busy(RuntimeError):  # noqa: N818
    """Another job is at work: two of them would take letters from each other."""


class BulkJobs:
    """One at a time. Belongs to the event loop."""

    def __init__(self, routing_file: Path, note: Note) -> None:
        self._routing_file = routing_file
        self._note = note
        self._jobs: dict[int, BulkJob] = {}
        self._task: asyncio.Task[None] | None = None

    def shown(self) -> list[dict[str, Any]]:
        """The jobs that run, and the latest."""
        now = time.time()
        recent = [job for job in self._jobs.values() if now - (job.ended_at or now) < _SHOWN_SECONDS]
        return [job.to_dict() for job in recent[-5:]]

    def get(self, ident: str) -> BulkJob | None:
        """As an address has it."""
        return next((job for job in self._jobs.values() if str(job.id) == ident), None)

    def start(self, order: BulkOrder) -> BulkJob:
        """Raises Busy."""
        if self._task is not None and not self._task.done():
            raise Busy("another action on dead letters is at work: stop it, or wait for it")
        job = BulkJob(max(self._jobs, default=0) + 1, order)
        self._jobs = dict(list(self._jobs.items())[-_REMEMBERED:]) | {job.id: job}
        self._task = asyncio.ensure_future(self._run(job))
        return job

    def go_on(self, job: BulkJob) -> None:
        """After its canary."""
        if job.state == "waiting":
            job.state = "running"
            job.going.set()

    def stop(self, job: BulkJob) -> None:
        """After the batch that is at work."""
        if job.ended_at is None:
            job.state = "stopping"
            job.going.set()

    async def wait(self, job: BulkJob, seconds: float) -> None:
        """Until it has ended, or so long."""
        deadline = time.monotonic() + seconds
        while job.ended_at is None and job.state != "waiting" and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Stop what runs; for the end of the process."""
        for job in self._jobs.values():
            self.stop(job)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5)

    async def _run(self, job: BulkJob) -> None:
        order = job.order
        arguments = {"filter": order.wanted.to_dict(), "actor": order.actor}
        if order.verb != "count":  # before and after: also of one that is killed there is a trace
            await self._note(AUDITED[order.verb], f"{order.verb} of dead letters begins", arguments)
        try:
            for canary in [order.canary, 0] if order.canary else [0]:
                await self._round(job, canary)
                if canary and job.done < canary:
                    break  # those were all
                if canary and job.state == "running":
                    job.state = "waiting"
                    await job.going.wait()
                if job.state != "running":
                    break
            job.state = "done" if job.state == "running" else "stopped"
        except (BrokerUnavailable, Refused, OSError, ValueError, TypeError) as error:
            job.state, job.error = "failed", str(error)
        finally:
            job.ended_at = time.time()
        if order.verb != "count":
            how = {"done": "", "stopped": ", then stopped", "failed": f", then failed: {job.error}"}[
                job.state
            ]
            what = {"retry": "sent back", "edit": "changed and sent back", "delete": "deleted"}[order.verb]
            outcome = f"{what} {job.done} message{'' if job.done == 1 else 's'}{how}"
            await self._note(AUDITED[order.verb], outcome, arguments)

    async def _round(self, job: BulkJob, canary: int) -> None:
        """All that is meant, or the canary; the broker's connection belongs to one thread."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="dead-letters") as thread:
            steps = _steps(self._routing_file, job, canary)
            try:
                while job.state == "running":
                    began = time.monotonic()
                    before = job.done
                    if await loop.run_in_executor(thread, partial(next, steps, None)) is None:
                        break
                    if job.order.rate:
                        pause = (job.done - before) / job.order.rate - (time.monotonic() - began)
                        await asyncio.sleep(max(0.0, pause))
            finally:
                await loop.run_in_executor(thread, steps.close)


def _steps(routing_file: Path, job: BulkJob, canary: int) -> Generator[bool, None, None]:
    """True after each batch. Blocks; writes down in `job` how far it is."""
    order, now = job.order, time.time()
    until = job.done + canary if canary else order.most

    def chooses(letter: DeadLetterRecord) -> bool:
        job.examined += 1
        if until is not None and job.done + chosen["now"] >= until:
            return False
        if not order.wanted.chooses(letter, now):
            return False
        chosen["now"] += 1
        if canary:
            job.ids.append(letter.id)
        return True

    chosen = {"now": 0}  # of the batch at work
    with opened(routing_file, min(order.batch, canary) if canary else order.batch) as (browser, _):
        if browser is None:
            return
        if not job.total:
            job.total = browser.total()
        if order.verb == "count":
            with closing(browser.scan()) as letters:
                for letter in letters:
                    job.done += chooses(letter)
                    chosen["now"] = 0
                    if job.examined % BATCH == 0:
                        yield True
            return
        deals = (
            _dropped(browser.drop(chooses))
            if order.verb == "delete"
            else browser.bring_back(chooses, order.change)
        )
        with closing(deals):
            for moved, homeless in deals:
                job.done += moved
                job.stay += len(homeless)
                chosen["now"] = 0
                if until is not None and job.done + job.stay >= until:
                    return
                yield True


def _dropped(
    batches: Generator[int, None, None],
) -> Generator[tuple[int, list[DeadLetterRecord]], None, None]:
    with closing(batches):
        for dropped in batches:
            yield dropped, []
