"""The real thread beside the loop: it goes on while a task blocks the loop, and sees that a drain ends.

It hears what may come at any time (signals, the supervisor's death, the controller's commands) and tells the
loop, it reports, and it ends the process when the loop doesn't. Built on `unpatched` only: under gevent and
eventlet nothing here may run in a green thread. Nor may anything wait for the broker: whose reports stop is
killed (what has to be said to the broker is the deputy's).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fleet.control import HEARTBEAT_SECONDS, QUIET_HEARTBEATS, Command, Report
from fleet.spec import Exit
from fleet.worker import unpatched
from fleet.worker.control_client import ControlClient
from fleet.worker.crash import fatal
from fleet.worker.health import Health, Vitals
from fleet.worker.log import Log
from fleet.worker.memory import rss_bytes
from fleet.worker.orders import Order
from fleet.worker.settings import Settings, read_change
from fleet.worker.tally import Tally

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# A service manager signals the worker and its supervisor at once, and that one signals the worker again.
_SAME_REQUEST_SECONDS = 0.5
# What the loop gets beyond the grace period to give back what is left, before the process is ended.
_MARGIN_SECONDS = 2.0
_STARTING_MARGIN_SECONDS = 1.0
DRAIN_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# For a closed terminal and, by PR_SET_PDEATHSIG (supervisor/spawn.py), for a dead supervisor. Never counted
# as a second SIGTERM.
HANG_UP = signal.SIGHUP


@dataclass(frozen=True, slots=True)
class Duties:
    """What the warden needs of the worker to do what it does."""

    order: Callable[[Order], None]
    settings: Settings
    health: Health
    longest_overdue: Callable[[float], float | None]
    watch_stdin: bool


class Warden:
    """With `signal.set_wakeup_fd(warden.fileno())` it hears signals even while the loop runs C code."""

    def __init__(self, duties: Duties, client: ControlClient, tally: Tally, log: Log) -> None:
        self._duties = duties
        self._client = client
        self._tally = tally
        self._log = log
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._watch_stdin = duties.watch_stdin
        self._report_at = 0.0  # 0: has been asked for
        self._told: Report | None = None
        self._unsaid = 0
        self._drain_asked_at: float | None = None
        self._end_at = float("inf")
        self._stopping = False
        self._stopped = unpatched.allocate_lock()

    def fileno(self) -> int:
        return self._write

    def start(self) -> None:
        self._stopped.acquire()
        unpatched.start_thread(self._run, ())

    def report_now(self) -> None:
        """From any thread: the state has changed."""
        os.write(self._write, b"\0")

    def stop(self) -> None:
        """Send a last report and end; waits for that, but not long."""
        self._stopping = True
        self.report_now()
        self._stopped.acquire(timeout=0.5)

    def _run(self) -> None:
        with fatal():
            while not self._stopping:
                self._turn()
            self._client.send(self._tally.report())
        self._stopped.release()

    def _turn(self) -> None:
        now = time.monotonic()
        asked = self._client.connect(now) or not self._report_at
        if asked or now >= self._report_at:
            self._judge(now)
            self._report(anyway=asked)
            self._report_at = now + HEARTBEAT_SECONDS
        if now >= self._end_at:
            self._end()
        self._wait(now)

    def _report(self, *, anyway: bool) -> None:
        """Not always when there is no news: hundreds of workers at rest would keep their controller busy."""
        report = self._tally.report()
        news = replace(report, rss_bytes=0, idle_seconds=0.0)
        if anyway or news != self._told or self._unsaid == QUIET_HEARTBEATS:
            self._client.send(report)
            self._told, self._unsaid = news, 0
        else:
            self._unsaid += 1

    def _judge(self, now: float) -> None:
        tally, health = self._tally, self._duties.health
        state = tally.state()
        vitals = Vitals(
            is_ready=state == "ready",
            is_online=tally.broker_error is None,
            has_controller=self._client.interest() is not None,
            turned_at=tally.turned_at,
            runs_inline=self._duties.settings.spec.pool == "solo" and tally.in_flight > 0,
            rss_bytes=rss_bytes(),
            ran=tally.ran,
            longest_overdue=self._duties.longest_overdue(now),
        )
        why = health.judge(now, vitals)
        self._tell_news(tally.recycle, health.recycle, "to be replaced")
        self._tell_news(tally.trouble, health.trouble, "in trouble")
        tally.recycle, tally.trouble = health.recycle, health.trouble
        if why is not None and self._drain_asked_at is None:
            self._drain_asked_at = now
            self._drain(why)

    def _tell_news(self, before: str | None, news: str | None, label: str) -> None:
        if news is not None and before is None:
            self._log.warning(f"{label}: {news}")

    def _wait(self, now: float) -> None:
        poll = unpatched.poll()
        poll.register(self._read, unpatched.POLLIN)
        if self._watch_stdin:
            poll.register(_STDIN, unpatched.POLLIN)
        control = self._client.interest()
        if control is not None:
            poll.register(*control)
        moments = [self._report_at - now, self._end_at - now]
        if (retry := self._client.retry_in(now)) is not None:
            moments.append(retry)
        for fd, _ in poll.poll(max(0.0, min(moments)) * 1000 + 1):
            self._hear(fd)

    def _hear(self, fd: int) -> None:
        if fd == self._read:
            self._hear_signals(os.read(self._read, 4096))
        elif self._watch_stdin and fd == _STDIN:
            if not os.read(_STDIN, 4096):
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
        self._watch_stdin = False
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
                self._report_at = 0.0
            case "configure":
                self._configure(command)
            case unknown:
                self._log.warning(f"controller: unknown command {unknown!r}")

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
        starting = self._tally.state() == "starting"
        end = time.monotonic() + _STARTING_MARGIN_SECONDS if starting else deadline + _MARGIN_SECONDS
        self._end_at = min(self._end_at, end)
        self._duties.order(Order("drain", deadline))

    def _end(self) -> None:
        self._log.warning("the drain is overdue (a task blocks the worker): ending without it")
        os._exit(Exit.OK)


def _names(queues: object) -> tuple[str, ...] | None:
    return tuple(map(str, queues)) if isinstance(queues, list) else None
