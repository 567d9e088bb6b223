"""`python -m fleet.scheduler LAUNCH_FILE`: what the supervisor keeps alive where there is something to schedule."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from fleet.broker.delivery import BrokerUnavailable
from fleet.launch_specs import Exit, SchedulerLaunch
from fleet.prctl import PARENT_VARIABLE, signal_when_parent_dies
from fleet.scheduler.beat_app import LoadedApp
from fleet.scheduler.books import Book, open_book
from fleet.scheduler.code_trial import TRY, CodeTrial
from fleet.scheduler.known import KnownFile
from fleet.scheduler.log import Log
from fleet.scheduler.loop import Plan, Scheduler
from fleet.scheduler.messages import Messages

_LONGEST_BACKOFF_SECONDS = 5.0
_RELOAD_SECONDS = 30.0  # an app that could not be loaded may need something that is there by then
_IDLE_SECONDS = 60.0


class Signals:
    """SIGTERM ends, SIGHUP reads the launch file again, or ends when it is the supervisor's death that it tells of."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        for descriptor in (self._reader, writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.stopped = False
        self.hung_up = False
        self._parent = os.getppid()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda number, _frame: self._heard(number))
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # a trial has ended: wakes the loop

    def _heard(self, signum: int) -> None:
        if signum != signal.SIGHUP or os.getppid() != self._parent:
            self.stopped = True
        else:
            self.hung_up = True

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def pause(self, seconds: float) -> None:
        select.select([self._reader], [], [], seconds)


def main() -> int:
    if len(sys.argv) not in (2, 3) or sys.argv[1:-1] not in ([], [TRY]):
        sys.stderr.write("usage: python -m fleet.scheduler LAUNCH_FILE\n")
        return 2
    os.umask(0o077)
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is not None and not signal_when_parent_dies(signal.SIGTERM, int(parent)):
        return Exit.OK
    environment = dict(os.environ)
    file, log = Path(sys.argv[-1]), Log()
    try:
        launch = _read(file)
    except ValueError as error:
        log.error(str(error))
        return Exit.BOOT_FAILED
    if sys.argv[1] == TRY:
        return _try(launch, log, file)
    signals = Signals()
    app = LoadedApp(launch.app, log, folder=file.parent)
    if app.error:
        log.error(f"nothing of beat_schedule is sent: {app.error}")
    process = _Process(file, signals, log, app, CodeTrial(file, environment, log))
    if process.keep_running(launch):
        process.trial.start_anew()
    return Exit.OK


def _try(launch: SchedulerLaunch, log: Log, file: Path) -> int:
    error = LoadedApp(launch.app, log, folder=file.parent).error
    if error:
        sys.stderr.write(error.replace("\n", " ") + "\n")
    return Exit.BOOT_FAILED if error else Exit.OK


class _Process:
    """One process with one edition of the app."""

    def __init__(self, file: Path, signals: Signals, log: Log, app: LoadedApp, trial: CodeTrial) -> None:
        self._file = file
        self._signals = signals
        self._log = log
        self._app = app
        self.trial = trial
        self._is_to_renew = False
        self._try_again_at = time.monotonic() + _RELOAD_SECONDS if app.error else float("inf")

    def keep_running(self, launch: SchedulerLaunch) -> bool:
        """Until a signal, or until it is to start anew: True. With another broker it is another scheduler."""
        if self._app.service is not None:
            self._app.service.start()
        try:
            while not self._ends():
                if not launch.schedules and self._app.is_empty:
                    launch = self._idle(launch)
                    continue
                book = _book(launch, self._file)
                try:
                    launch = self._run(launch, book)
                finally:
                    book.close()
        finally:
            if self._app.service is not None:
                self._app.service.stop()
            self.trial.abandon()
        return self._is_to_renew

    def _ends(self) -> bool:
        self._signals.drain()
        self._is_to_renew |= self.trial.has_passed() or time.monotonic() > self._try_again_at
        return self._signals.stopped or self._is_to_renew

    def _idle(self, launch: SchedulerLaunch) -> SchedulerLaunch:
        """There is nothing to schedule: the controller reads that, and ends this process."""
        said = {"schedules": {}, "leads": False, "error": None, "edition": self._app.edition, "empty": True}
        KnownFile(Path(launch.known_file)).write(said)
        while not self._ends():
            self._signals.pause(_IDLE_SECONDS)
            launch, before = self._heard(launch), launch
            if launch != before:
                break
        return launch

    def _heard(self, launch: SchedulerLaunch) -> SchedulerLaunch:
        """The launch as it is by now; code that has changed is put on trial."""
        if not self._signals.hung_up:
            return launch
        self._signals.hung_up = False
        found = _read_again(self._file, launch, self._log)
        if found.app != launch.app:
            self.trial.begin()
        return found

    def _run(self, launch: SchedulerLaunch, book: Book) -> SchedulerLaunch:
        """On one broker; the launch that has another one, or the last when it is to end."""
        known = KnownFile(Path(launch.known_file))
        scheduler = Scheduler(_plan(launch, self._app, self._log), book, self._log, known)
        connected, tries = False, 0
        plan: Plan | None = None  # to be adopted
        while not self._ends():
            launch, before = self._heard(launch), launch
            if (launch.fleet, launch.routing.broker) != (before.fleet, before.routing.broker):
                return launch
            if launch != before:
                plan = _plan(launch, self._app, self._log)
            if not launch.schedules and self._app.is_empty:
                break
            try:
                if not connected:
                    scheduler.connect()
                    connected = True
                    if tries:
                        self._log.info("broker: connected again")
                if plan is not None:
                    scheduler.adopt(plan)
                    plan = None
                scheduler.step(self._signals.fileno())
                tries = 0
                scheduler.tell()
            except BrokerUnavailable as error:
                connected = False
                pause = min(_LONGEST_BACKOFF_SECONDS, 0.1 * 2**tries)
                tries += 1
                self._log.warning(f"broker: {error}; trying again in {pause:.1f}s")
                known.write({**scheduler.shown(), "leads": False, "error": str(error)})
                self._signals.pause(pause)
        if connected:
            with suppress(BrokerUnavailable):
                scheduler.say_goodbye()
        return launch


def _book(launch: SchedulerLaunch, file: Path) -> Book:
    identity = f"scheduler@{os.uname().nodename}:{os.getpid()}"
    return open_book(launch.fleet, launch.routing, identity=identity, folder=file.parent)


def _plan(launch: SchedulerLaunch, app: LoadedApp, log: Log) -> Plan:
    schedules = {schedule.name: schedule for schedule in launch.schedules}
    for schedule in app.schedules:
        if schedule.name in schedules:
            log.warning(f"{schedule.name}: beat_schedule has it, and fleet.toml, which counts")
        else:
            schedules[schedule.name] = schedule
    return Plan(launch.fleet, schedules, Messages(launch.fleet, launch.routing, launch.source), app)


def _read(file: Path) -> SchedulerLaunch:
    """Raises ValueError."""
    try:
        return SchedulerLaunch.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"launch file {file}: {error}") from error


def _read_again(file: Path, launch: SchedulerLaunch, log: Log) -> SchedulerLaunch:
    try:
        return _read(file)
    except ValueError as error:
        log.error(f"{error}; it goes on as it is")
        return launch


if __name__ == "__main__":
    sys.exit(main())
