"""`[rpcinterface:fleet]`: what the client may ask of supervisord, and the hooks that join Programs to its
main loop.

Every public method of Plugin is an RPC. Each takes one JSON object as a string and returns another: XML-RPC
has no None and no large integers.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from supervisor import events
from supervisor.states import SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from fleet.launch_specs import ProgramSpec
from fleet.supervisor.long_polls import LongPolls
from fleet.supervisor.notify import Notifier
from fleet.supervisor.options import EngineOptions
from fleet.supervisor.programs import Programs

_AFTER_ERROR_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 3600.0


def factory(options: EngineOptions, first: ProgramSpec, notifier: Notifier) -> Callable[[Any], Plugin]:
    """What supervisord calls when its server opens."""

    def make(supervisord: Any) -> Plugin:
        return Plugin(options, Programs(options, supervisord, first), notifier)

    return make


def rpc(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let `method` take keywords out of one JSON object; what is wrong with them is told to the client."""

    @functools.wraps(method)
    def answer(self: Plugin, arguments: str = "{}") -> Any:
        try:
            result = method(self, **json.loads(arguments))
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise RPCError(Faults.INCORRECT_PARAMETERS, f"{type(error).__name__}: {error}") from None
        return "{}" if result is None else result

    return answer


class Plugin:
    """Mechanism only: it knows programs, not workers."""

    def __init__(self, options: EngineOptions, programs: Programs, notifier: Notifier) -> None:
        self._options = options
        self._programs = programs
        self._notifier = notifier
        self._waits = LongPolls(lambda: programs.sequence, self._snapshot)
        options.signals.on_hangup = self._guard(self._hang_up)
        options.signals.on_impatience = self._guard(programs.hurry_all)
        options.poller.next_deadline = self._next_deadline
        events.subscribe(events.SupervisorStoppingEvent, self._guard(lambda _event: self._begin_to_stop()))

    # The RPCs.

    @rpc
    def snapshot(self) -> str:
        return self._snapshot()

    @rpc
    def wait(self, *, after: int, timeout_seconds: float) -> Any:
        return self._waits.defer(after, min(timeout_seconds, _LONGEST_WAIT_SECONDS))

    @rpc
    def add(self, **program: Any) -> None:
        self._programs.add(ProgramSpec.from_dict(program))

    @rpc
    def stop(self, *, full_name: str, kill: bool) -> None:
        self._programs.remove(full_name, kill=kill)

    @rpc
    def signal(self, *, full_name: str, signum: int) -> None:
        process = self._programs.find(full_name)
        if process is not None and process.pid:
            os.kill(process.pid, signal.Signals(signum))

    @rpc
    def condemn(self, *, full_name: str, pid: int, reason: str) -> None:
        process = self._programs.find(full_name)
        if process is not None and process.pid == pid:
            process.condemn(reason)

    @rpc
    def amend(self, *, full_name: str, stop_seconds: float) -> None:
        process = self._programs.find(full_name)
        if process is not None:
            process.spec = replace(process.spec, stop_seconds=stop_seconds)

    @rpc
    def restart_now(self, *, full_name: str) -> None:
        process = self._programs.find(full_name)
        if process is not None:
            process.start_now()

    @rpc
    def shutdown(self, *, now: bool) -> None:
        self._options.mood = SupervisorStates.SHUTDOWN
        if now:
            self._programs.hurry_all()

    @rpc
    def announce(self, *, ready: bool, text: str) -> None:
        if not self._options.stopping:
            self._notifier.status(text, ready=ready)

    # Supervisord's main loop.

    def _next_deadline(self) -> float:
        try:
            self._programs.tend()
            self._notifier.beat()
            if self._options.signals_waiting or not self._options.reaped_all:
                return 0.0
            others = (self._waits.deadline(), self._options.look_after_state(), self._notifier.next_beat())
            return min(self._programs.deadline(), *others)
        except Exception:
            self._options.logger.critical(traceback.format_exc())
            return time.monotonic() + _AFTER_ERROR_SECONDS

    def _hang_up(self) -> None:
        self._notifier.reloading()
        self._programs.hang_up()

    def _begin_to_stop(self) -> None:
        self._notifier.stopping(self._programs.longest_stop_seconds())
        self._programs.changed()
        self._programs.stop_all()

    def _snapshot(self) -> str:
        return self._programs.snapshot().to_json()

    def _guard(self, callback: Callable[..., None]) -> Callable[..., None]:
        """An exception out of an event or a signal would end supervisord and leave all programs behind."""

        def guarded(*args: Any) -> None:
            try:
                callback(*args)
            except Exception:
                self._options.logger.critical(traceback.format_exc())

        return guarded
