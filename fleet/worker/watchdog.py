"""The real thread beside the loop: it goes on while a task blocks the loop, and sees that a drain ends.

It hears what may come at any time (signals, the supervisor's death, the controller's commands) and tells the
loop, it reports, and it ends the process when the loop doesn't. Built on `unpatched` only: under gevent and
eventlet nothing here may run in a green thread. Nor may anything wait for the broker: whose reports stop is
killed (what has to be said to the broker is the keepalive's).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleet.clock import time
from fleet.control import HEARTBEAT_SECONDS, NEW_FIELDS, QUIET_HEARTBEATS, Command, Report
from fleet.launch_specs import Exit
from fleet.telemetry import STATISTICS, WorkerAnswer
from fleet.worker import stacks, unpatched
from fleet.worker.control_client import ControlClient
from fleet.worker.crash import fatal
from fleet.worker.health import Health, Vitals
from fleet.worker.log import Log
from fleet.worker.memory import rss_bytes
from fleet.worker.orders import Order
from fleet.worker.progress import HeldUp
from fleet.worker.settings import Settings, read_change
from fleet.worker.stats import Stats
from fleet.worker.telling import Teller

_STDOUT, _STDERR = 1, 2
# A service manager signals the worker and its supervisor at once, and that one signals the worker again.
_SAME_REQUEST_SECONDS = 0.5
# What the loop gets beyond the grace period to give back what is left, before the process is ended.
_MARGIN_SECONDS = 2.0
_STARTING_MARGIN_SECONDS = 0.2
_AT_ONCE_SECONDS = 0.25
DRAIN_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# For a closed terminal and, by PR_SET_PDEATHSIG (supervisor/spawn.py), for a dead supervisor. Never counted
# as a second SIGTERM.
HANG_UP = signal.SIGHUP


@dataclass(frozen=True, slots=True)
class Duties:
    """What the watchdog needs of the worker to do what it does."""

    order: Callable[[Order], None]
    settings: Settings
    health: Health
    longest_overdue: Callable[[float], float | None]
    lifeline: int | None  # a descriptor that is at its end when the supervisor has died
    stuck: Callable[[float], str | None]
    lost: Callable[[], str | None]
    warnings: Callable[[float], tuple[str, ...]]
    answer: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    held_up: Callable[[float], HeldUp | None] = lambda _now: None


class Watchdog:
    """With `signal.set_wakeup_fd(watchdog.fileno())` it hears signals even while the loop runs C code."""

    def __init__(self, duties: Duties, client: ControlClient, stats: Stats, log: Log) -> None:
        self._duties = duties
        self._client = client
        self._stats = stats
        self._teller = Teller(stats, client)
        self._log = log
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._lifeline = duties.lifeline
        self._report_at = 0.0  # 0: has been asked for
        self._told: Report | None = None
        self._unsaid = 0
        self._drain_asked_at: float | None = None
        self._end_at = float("inf")
        self._stopping = False
        self._has_told_lost = False
        self._stopped = unpatched.allocate_lock()
        self.judged_at = time.monotonic()  # when it looked last
        self._awaited = False  # somebody waits in `report_at_once`
        self._said = unpatched.allocate_lock()

    def fileno(self) -> int:
        return self._write

    def start(self) -> None:
        self._stopped.acquire()
        unpatched.start_thread(self._run, ())

    def report_now(self) -> None:
        """From any thread: the state has changed."""
        os.write(self._write, b"\0")

    def report_at_once(self) -> None:
        """From the loop's thread: let the controller know how things are now, whatever happens next.

        Returns when that has been written to its socket, or when it takes too long.
        """
        if self._client.interest() is None:
            return
        self._said.acquire(blocking=False)
        self._awaited = True
        self.report_now()
        self._said.acquire(timeout=_AT_ONCE_SECONDS)

    def stop(self) -> None:
        """Send a last report and end; waits for that, but not long."""
        self._stopping = True
        self.report_now()
        self._stopped.acquire(timeout=0.5)

    def _run(self) -> None:
        with fatal():
            while not self._stopping:
                self._turn()
            self._client.send(self._stats.report())
            self._teller.end()
        self._stopped.release()

    def _turn(self) -> None:
        now = time.monotonic()
        asked = self._client.connect(now) or not self._report_at
        if asked or now >= self._report_at:
            self._judge(now)
            self._report(anyway=asked)
            self._report_at = now + HEARTBEAT_SECONDS
            self._release_who_waits(asked=asked)
        self._teller.tell(now)
        if now >= self._end_at:
            self._end()
        self._wait(now)

    def _release_who_waits(self, *, asked: bool) -> None:
        if self._awaited and asked:
            self._awaited = False
            if self._said.locked():
                self._said.release()

    def _report(self, *, anyway: bool) -> None:
        """Not always when there is no news: hundreds of workers at rest would keep their controller busy."""
        report = self._stats.report()
        news = replace(report, rss_bytes=0, idle_seconds=0.0, oldest_in_flight_seconds=0.0, still_seconds=0.0)
        if anyway or news != self._told or self._unsaid == QUIET_HEARTBEATS:
            self._client.send(report)
            self._told, self._unsaid = news, 0
        else:
            self._unsaid += 1

    def _judge(self, now: float) -> None:
        stats, health = self._stats, self._duties.health
        state = stats.state()
        vitals = Vitals(
            is_ready=state == "ready",
            is_online=stats.broker_error is None,
            has_controller=self._client.interest() is not None,
            turned_at=stats.turned_at,
            runs_inline=self._duties.settings.spec.pool == "solo" and stats.in_flight > 0,
            rss_bytes=rss_bytes(),
            ran=stats.ran,
            longest_overdue=self._duties.longest_overdue(now),
            stuck=self._duties.stuck(now),
            held_up=self._duties.held_up(now),
            lost=self._duties.lost(),
        )
        self.judged_at = now
        why = health.judge(now, vitals)
        self._tell_news(stats.recycle, health.recycle, "to be replaced")
        self._tell_news(stats.trouble, health.trouble, "in trouble")
        is_news = health.trouble is not None and stats.trouble is None
        if is_news or (vitals.lost is not None and not self._has_told_lost):
            self._has_told_lost |= vitals.lost is not None
            stacks.write()
            stacks.ask(stats.children())
        stats.warnings = self._duties.warnings(now)
        stats.recycle, stats.trouble = health.recycle, health.trouble
        if why is not None and self._drain_asked_at is None:
            self._drain_asked_at = now
            self._drain(why)

    def _tell_news(self, before: str | None, news: str | None, label: str) -> None:
        if news is not None and before is None:
            self._log.warning(f"{label}: {news}")

    def _wait(self, now: float) -> None:
        poll = unpatched.poll()
        poll.register(self._read, unpatched.POLLIN)
        if self._lifeline is not None:
            poll.register(self._lifeline, unpatched.POLLIN)
        control = self._client.interest()
        if control is not None:
            poll.register(*control)
        moments = [self._report_at - now, self._end_at - now]
        if (retry := self._client.retry_in(now)) is not None:
            moments.append(retry)
        if (more := self._teller.next_in(now)) is not None:
            moments.append(more)
        for fd, _ in poll.poll(max(0.0, min(moments)) * 1000 + 1):
            self._hear(fd)

    def _hear(self, fd: int) -> None:
        if fd == self._read:
            self._hear_signals(os.read(self._read, 4096))
        elif fd == self._lifeline:
            if not os.read(fd, 4096):
                self._supervisor_died()
        else:
            self._client.flush()
            for command in self._client.receive():
                self._obey(command)

    def _hear_signals(self, data: bytes) -> None:
        for signum in data:
            if signum in DRAIN_SIGNALS:
                self._asked_to_drain(signal.Signals(signum).name)
            elif signum == HANG_UP:
                self._drain("hang-up")
            elif signum == 0:
                self._report_at = 0.0

    def _asked_to_drain(self, name: str) -> None:
        """The first time with grace, the second time without."""
        now = time.monotonic()
        if self._drain_asked_at is None:
            self._drain_asked_at = now
            self._drain(name)
        elif now - self._drain_asked_at > _SAME_REQUEST_SECONDS:
            self._log.warning(f"{name} again: ending at once")
            self._drain_until(now)

    def _supervisor_died(self) -> None:
        self._lifeline = None
        # Nobody reads our output any more: a task that prints must not fail of it.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, _STDOUT)
        os.dup2(null, _STDERR)
        self._drain("the supervisor is gone")

    def _obey(self, command: Command) -> None:
        match command.do:
            case "drain":
                self._drain("drain command")
            case "pause":
                self._duties.order(Order("pause", queues=_names(command.arguments.get("queues"))))
            case "resume":
                self._duties.order(Order("pause", queues=()))
            case "inspect":
                understood = frozenset(_names(command.arguments.get("fields")) or ())
                self._client.known = understood & (NEW_FIELDS | {STATISTICS})
                self._teller.begin_anew()
                self._report_at = 0.0
            case "ask":
                self._answer(command)
            case "configure":
                self._configure(command)
            case unknown:
                self._log.warning(f"controller: unknown command {unknown!r}")

    def _answer(self, command: Command) -> None:
        number, what = command.arguments.get("number"), command.arguments.get("what")
        if isinstance(number, int) and isinstance(what, str):
            said = self._duties.answer(what, command.arguments)
            self._teller.answer(WorkerAnswer(os.getpid(), number, said))

    def _configure(self, command: Command) -> None:
        try:
            change = read_change(command.arguments)
        except ValueError as error:
            self._log.error(f"controller: can't configure: {error}")
            return
        self._duties.order(Order("configure", change=change))

    def _drain(self, why: str) -> None:
        self._log.info(f"told to end: {why}")
        self._drain_until(time.monotonic() + self._duties.settings.spec.grace_period_seconds)

    def _drain_until(self, deadline: float) -> None:
        # Before it is up the loop may be stuck in an import, and there is nothing to finish.
        starting = self._stats.state() == "starting"
        end = time.monotonic() + _STARTING_MARGIN_SECONDS if starting else deadline + _MARGIN_SECONDS
        self._end_at = min(self._end_at, end)
        self._duties.order(Order("drain", deadline))

    def _end(self) -> None:
        self._log.warning("the drain is overdue (a task blocks the worker): ending without it")
        self._teller.end()
        os._exit(Exit.OK)


def _names(queues: object) -> tuple[str, ...] | None:
    return tuple(map(str, queues)) if isinstance(queues, list) else None
