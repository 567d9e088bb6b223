"""One zygote as the supervisor sees it: a process beside the programs that forks some of them, much faster than
they could be executed (fleet.worker.zygote, the other end of its stdin).

Nothing depends on it: whatever it does not do in time is done by fork and exec.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.medusa import asyncore_25 as asyncore

from fleet.launch_specs import ProgramSpec
from fleet.supervisor import spawn
from fleet.supervisor.ended import Reaped
from fleet.visible import visible

if TYPE_CHECKING:
    from fleet.supervisor.options import EngineOptions

_FORK_SECONDS = 0.2
"""All of supervisord waits while a zygote forks."""

_BOOT_SECONDS = 10.0
"""How long programs wait for a zygote that is still importing: no more than what it spares them."""

_AGAIN_SECONDS, _LONGEST_AGAIN_SECONDS = 10.0, 3600.0
"""From the beginning of a zygote that was lost to the beginning of the next; doubled when it was never ready."""

_STDERR = 2
_LONGEST_WORD = 65536
_GO = b"g"


class Zygote:
    """Also an entry of the asyncore map, and of supervisord's `pidhistory`, which tells it of its end.

    Programs wait for the first one until it is ready: to import is what each of them would begin with. Nobody
    waits for its successors, which may be lost for the same reason. Raises OSError when it can't be started.
    """

    def __init__(self, options: EngineOptions, program: ProgramSpec, before: Zygote | None = None) -> None:
        now = time.monotonic()
        self.ended: Reaped | None = None  # as of any process that is reaped
        self._options = options
        self._name = program.group
        self._again_seconds = before.patience if before else _AGAIN_SECONDS
        self._again_at = now + self._again_seconds
        self._awaited_until = 0.0 if before else now + _BOOT_SECONDS
        self._is_ready = self._is_over = False
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self.pid = _start(options, program, theirs.fileno())
        except OSError:
            self._channel.close()
            raise
        self._channel.setblocking(False)
        self._fd = self._channel.fileno()
        asyncore.socket_map[self._fd] = self
        options.pidhistory[self.pid] = self

    @property
    def patience(self) -> float:
        """Of its successor: seconds."""
        return _AGAIN_SECONDS if self._is_ready else min(2 * self._again_seconds, _LONGEST_AGAIN_SECONDS)

    def may_be_followed(self, now: float) -> bool:
        """Whether the zygote will fork nothing any more, and it is time to try another."""
        return self._is_over and self._again_at <= now

    @property
    def awaited_until(self) -> float:
        """Monotonic seconds; in the past when nobody shall wait."""
        return 0.0 if self._is_ready or self._is_over else self._awaited_until

    def fork(self, program: ProgramSpec, stdin: int, output: int) -> int | None:
        """The pid of a new child that is about to become `program`; None when there is none, and won't be."""
        if not self._is_ready or self._is_over:
            self._excuse()
            return None
        mine, cord = socket.socketpair()
        with mine, cord:
            try:
                order = {"arguments": program.command[-1:], "supervisor": self._options.pid}
                descriptors = [stdin, output, cord.fileno()]
                socket.send_fds(self._channel, [json.dumps(order).encode()], descriptors)
                cord.close()
                mine.settimeout(_FORK_SECONDS)
                pid = int(mine.recv(32))
                self._take(pid)
                mine.send(_GO)  # whoever never hears it ends: by now, or when `mine` is closed
            except Exception as error:  # whatever it is: the program must start
                self._give_up(f"did not fork {program.full_name}: {error or type(error).__name__}")
                return None
        return pid

    def _take(self, pid: int) -> None:
        """Make sure that it is what the zygote should have forked: a child of this process that is not yet known, of
        the zygote's own user. Raises OSError or ValueError.

        The number comes from a process that may run as somebody else, and the supervisor signals whatever it takes.
        """
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if pid in self._options.pidhistory or _user_of(pid) != _user_of(self.pid):
            raise ValueError(f"process {pid} is another one")
        with suppress(OSError):  # it has done so itself, or has ended
            os.setpgid(pid, pid)

    def _excuse(self) -> None:
        if self._awaited_until and not self._is_over:
            self._awaited_until = 0.0
            self._options.logger.warn(
                f"the zygote of {self._name} (pid {self.pid}) is still importing; programs start without it"
            )

    def end(self) -> None:
        """By force: it has nothing to clean up. It is reaped later."""
        self._is_over = True
        if self.pid in self._options.pidhistory:
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def _give_up(self, why: str) -> None:
        if not self._is_over:
            self._options.logger.warn(
                f"the zygote of {self._name} (pid {self.pid}) {visible(why)}; programs start without one"
            )
        self.end()

    # Called by supervisord.

    def finish(self, _pid: int, _status: int) -> None:
        self._hear()  # its last words
        self._give_up("has ended")
        self._stop_listening()
        self._channel.close()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._hear()

    def handle_write_event(self) -> None:
        raise NotImplementedError

    def handle_error(self) -> None:
        self._give_up("can't be understood")

    def _hear(self) -> None:
        try:
            data = self._channel.recv(_LONGEST_WORD)
            said = json.loads(data) if data else None
        except BlockingIOError:
            return
        except (OSError, ValueError):
            said = None
        if not isinstance(said, dict):
            self._stop_listening()  # a closed channel is readable for ever
            self._give_up("has ended")
        elif "refused" in said:
            self._again_at = math.inf  # it would come to the same end
            self._give_up(f"can't be used: {said['refused']}")
        else:
            self._is_ready = True

    def _stop_listening(self) -> None:
        if asyncore.socket_map.pop(self._fd, None) is not None:
            with suppress(OSError, KeyError, ValueError):  # not registered yet
                self._options.poller.unregister_readable(self._fd)


def _start(options: EngineOptions, program: ProgramSpec, stdin: int) -> int:
    """The pid. Its output goes where the supervisor's own does: it says little, and for no single worker."""
    pid = spawn.fork()
    if pid == 0:
        itself = replace(program, command=program.preload)
        spawn.become(itself, stdin=stdin, output=_STDERR, parent=options.pid, nofile=options.nofile)
    return pid


def _user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid
