"""One supervised process: supervisord's Subprocess, with deadlines for ticks, and never given up.

Supervisord's states are kept, so that `supervisorctl` reads them as ever: STARTING is passed through at
once, and a program that waits for its next start is in BACKOFF. Durations and deadlines are on the
monotonic clock.
"""

from __future__ import annotations

import functools
import math
import os
import random
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from supervisor.process import Subprocess
from supervisor.states import ProcessStates

from fleet.supervisor import spawn, stopping
from fleet.supervisor.backoff import FAILED_AFTER, WINDOW_SECONDS, after_exit, is_crash
from fleet.supervisor.client import LastExit, Program
from fleet.supervisor.ended import Reaped
from fleet.supervisor.logfile import RotatedLog
from fleet.supervisor.zygotes import kind_of

if TYPE_CHECKING:
    from fleet.supervisor.settings import ManagedConfig

NEVER = math.inf
_MOST_CRASHES = 1000  # to keep in mind
_ALIVE = (ProcessStates.STARTING, ProcessStates.RUNNING)
_AWAITING_START = (ProcessStates.STOPPED, ProcessStates.BACKOFF)
_SHOWN_AS = {
    ProcessStates.STARTING: "running",
    ProcessStates.RUNNING: "running",
    ProcessStates.STOPPING: "stopping",
    ProcessStates.BACKOFF: "backoff",
}


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Log what `method` raises and go on: an exception that reaches the main loop would end supervisord."""

    @functools.wraps(method)
    def wrapper(self: ManagedProcess, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception:
            self.options.logger.critical(f"{self.spec.full_name}: {traceback.format_exc()}")
            return None

    return wrapper


class ManagedProcess(Subprocess):  # type: ignore[misc]
    """The gate of its state is supervisord's `change_state`; `transition` is called in every pass of the
    main loop.
    """

    def __init__(self, config: ManagedConfig) -> None:
        super().__init__(config)
        self.options = config.options
        self.spec = config.spec
        self.kind = kind_of(config.spec)
        self.log = RotatedLog(self.spec.log_file)
        self.ended: Reaped | None = None  # set by the one who reaps, read by `finish`
        self.removing = False
        self.killed = False  # it did not end when told to
        self._crashes = 0  # in a row
        self._crash_times: deque[float] = deque(maxlen=_MOST_CRASHES)
        self._starts = 0
        self._last_exit: LastExit | None = None
        self._started = 0.0
        self._start_at = 0.0
        self._asked_at = 0.0
        self._stop_steps: tuple[stopping.Step, ...] = ()
        self._condemned: str | None = None  # why

    def deadline(self) -> float:
        """When `transition` has something to do next."""
        if self.state == ProcessStates.STOPPING:
            return self._stop_steps[0].at if self._stop_steps else NEVER
        if self.state in _AWAITING_START and not (self.removing or self.options.stopping):
            awaited_until: float = self.options.zygotes.awaited_until(self.kind)
            return max(self._start_at, awaited_until)
        return NEVER

    # Called by supervisord.

    def change_state(self, new_state: int, expected: bool = True) -> None:
        super().change_state(new_state, expected)
        self.options.changed()

    @guarded
    def transition(self) -> None:
        if time.monotonic() < self.deadline():
            return
        if self.state == ProcessStates.STOPPING:
            self._take_stop_step()
        else:
            self.spawn()

    @guarded
    def spawn(self) -> int | None:
        self._start_at = NEVER
        self._started = time.monotonic()
        self._starts += 1
        self.log.forget_tail()
        self.options.next_fork = self._fork
        pid: int | None = super().spawn()
        if pid is None:
            # No pipe or no process to be had; supervisord has changed to BACKOFF by itself.
            self._start_again_after(code=None, uptime_seconds=0.0)
        return pid

    def _fork(self) -> int:
        stdin, output = self.pipes["child_stdin"], self.pipes["child_stdout"]
        return self.options.zygotes.fork(self.kind, self.spec, stdin, output) or spawn.fork()

    def get_execv_args(self) -> tuple[str, tuple[str, ...]]:
        # No shlex and no search: whether it can be executed shows in the child.
        return self.spec.command[0], self.spec.command

    def _spawn_as_parent(self, pid: int) -> int:
        super()._spawn_as_parent(pid)
        self.change_state(ProcessStates.RUNNING)
        return pid

    def _spawn_as_child(self, filename: str, argv: tuple[str, ...]) -> None:
        spawn.become(
            self.spec,
            stdin=self.pipes["child_stdin"],
            output=self.pipes["child_stdout"],
            parent=self.options.pid,
            nofile=self.options.nofile,
        )

    @guarded
    def finish(self, pid: int, sts: int) -> None:
        intended = self.killing
        uptime = time.monotonic() - self._started
        super().finish(pid, sts)
        condemned = self._condemned is not None
        code = self._record_exit(uptime)
        self.killed = intended and self._last_exit is not None and self._last_exit.signal == signal.SIGKILL
        self._stop_steps = ()
        if not intended and not self.options.stopping:
            self.change_state(ProcessStates.BACKOFF)
            self._start_again_after(code, uptime, condemned=condemned)

    @guarded
    def stop(self) -> None:
        """SIGTERM now, SIGKILL after stop_seconds. Nothing more if it is stopping already."""
        self._start_at = NEVER
        if self.state in _ALIVE:
            self._follow(stopping.gently(time.monotonic(), self.spec.stop_seconds))
        elif self.state == ProcessStates.BACKOFF:
            self.change_state(ProcessStates.STOPPED)

    # Called by the plugin.

    def hurry(self) -> None:
        """Urge it by a second SIGTERM; SIGKILL follows shortly."""
        if self.state in _ALIVE:
            self._follow(stopping.urgently(time.monotonic(), None))
        elif self.state == ProcessStates.STOPPING:
            self._follow(stopping.urgently(time.monotonic(), self._asked_at))
        else:
            self.stop()

    def kill_now(self) -> None:
        if self.state in _ALIVE or self.state == ProcessStates.STOPPING:
            self._follow(stopping.at_once(time.monotonic()))
        else:
            self.stop()

    def condemn(self, reason: str) -> None:
        """Kill it although it is wanted: it comes back as after a crash."""
        if self.state in _ALIVE and self.pid:
            self._condemned = reason
            os.kill(self.pid, signal.SIGKILL)

    def start_now(self) -> None:
        """Forget the crashes so far; in backoff, start in this pass of the loop."""
        self._crashes = 0
        if self.state == ProcessStates.BACKOFF:
            self._start_at = 0.0

    def shown(self) -> Program:
        now = time.monotonic()
        state = _SHOWN_AS.get(self.state, "starting" if self.deadline() < NEVER else "stopped")
        waits = state == "backoff"
        if waits and self._crashes >= FAILED_AFTER:
            state = "failed"
        return Program(
            group=self.spec.group,
            name=self.spec.name,
            state=state,
            pid=self.pid,
            started_at=float(self.laststart),
            uptime_seconds=now - self._started if self.pid else 0.0,
            restarts=max(0, self._starts - 1),
            recent_crashes=sum(now - at <= WINDOW_SECONDS for at in self._crash_times),
            retry_in_seconds=max(0.0, self._start_at - now) if waits else None,
            last_exit=self._last_exit,
            labels=self.spec.labels,
        )

    # Its own.

    def _record_exit(self, uptime: float) -> int | None:
        ended, self.ended = self.ended, None
        reason, self._condemned = self._condemned, None
        if ended is None:
            return None
        self._last_exit = LastExit(
            time.time(), ended.code, ended.signal, uptime, self.log.tail(), ended.rss_bytes, reason
        )
        return ended.code

    def _start_again_after(self, code: int | None, uptime_seconds: float, *, condemned: bool = False) -> None:
        if is_crash(code, uptime_seconds):
            self._crash_times.append(time.monotonic())
        jitter = random.random()  # noqa: S311
        verdict = after_exit(code, uptime_seconds, self._crashes, jitter, condemned=condemned)
        self._crashes = verdict.crashes
        self._start_at = time.monotonic() + verdict.delay_seconds

    def _follow(self, steps: tuple[stopping.Step, ...]) -> None:
        self._stop_steps = steps
        if self.deadline() <= time.monotonic() or self.state in _ALIVE:
            self._take_stop_step()

    def _take_stop_step(self) -> None:
        step, *rest = self._stop_steps
        self._stop_steps = tuple(rest)
        if step.signum == signal.SIGKILL:
            self.options.logger.warn(f"killing {self.spec.full_name} (pid {self.pid}) with SIGKILL")
        if self.state in _ALIVE:
            self._asked_at = step.at
            self.kill(step.signum)
        elif step.signum == signal.SIGKILL:
            self.kill(step.signum)
        else:
            self.signal(step.signum)
