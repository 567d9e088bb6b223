"""What happens between fork and exec, and around the fork: clean signals, own group, bound to the parent's
life.

A child starts with supervisord's signal handlers. A SIGTERM that arrives before exec would be taken by one
of them and be lost: so all signals are blocked around the fork, and the child unblocks them when it has
default handlers again.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from fleet.spec import Exit, ProgramSpec

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)
# Whatever fleet's own descriptors: all are close-on-exec. This is about those inherited from whoever ran
# `fleet up`.
_HIGHEST_INHERITED_FD = 4096


def _load_prctl() -> Callable[[int, int], int] | None:
    """Loaded before any fork: a child shall not import."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def prctl(option: int, argument: int) -> int:
        return int(libc.prctl(option, argument, 0, 0, 0))

    return prctl


_prctl = _load_prctl()


def fork() -> int:
    """os.fork(), with all signals blocked in between; the child has its own process group and default
    handlers.
    """
    blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _default_signals()
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return 0
    # Here as well as in the child: whoever comes second, the group exists when a signal is sent to it.
    with suppress(OSError):  # it has already exec'd, or ended
        os.setpgid(pid, pid)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
    return pid


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for signum in _HANDLED:
        signal.signal(signum, signal.SIG_DFL)


def become(program: ProgramSpec, *, stdin: int, output: int, parent: int, nofile: tuple[int, int]) -> None:
    """Turn this freshly forked child into `program`. Never returns: what can't be run exits BOOT_FAILED,
    with the reason in its log. `nofile` are the limits that the supervisor itself was started with.
    """
    try:
        for source, target in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.closerange(3, _HIGHEST_INHERITED_FD)
        resource.setrlimit(resource.RLIMIT_NOFILE, nofile)
        if program.nice:
            os.nice(program.nice)
        if program.user is not None:
            _become_user(program.user)
        _die_with(parent)
        os.chdir(program.directory)
        os.execve(program.command[0], program.command, environment_of(program, os.environ))  # noqa: S606
    except BaseException as error:
        os.write(2, f"fleet: cannot start {program.command[0]}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(Exit.BOOT_FAILED)


def environment_of(program: ProgramSpec, inherited: Mapping[str, str]) -> dict[str, str]:
    return {**inherited, **_home(program.user), **program.environment, "FLEET_SUPERVISED": "1"}


def _home(name: str | None) -> dict[str, str]:
    """Of another user: else a library that keeps something there tries the home of whoever started us."""
    if name is None:
        return {}
    return {"HOME": pwd.getpwnam(name).pw_dir, "USER": name, "LOGNAME": name}


def _become_user(name: str) -> None:
    user = pwd.getpwnam(name)
    if user.pw_uid == os.getuid():
        return
    groups = [group.gr_gid for group in grp.getgrall() if name in group.gr_mem]
    os.setgroups([user.pw_gid, *groups])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def can_adopt() -> bool:
    """Whether `adopt_orphans` does anything here."""
    return _prctl is not None


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, as process 1 would."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _die_with(parent: int) -> None:
    """Get SIGHUP when `parent` ends. After any change of user: that clears the setting.

    Not SIGTERM: to a worker that is draining already it would mean "at once".
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    if os.getppid() != parent:
        os._exit(Exit.OK)  # it ended before the line above
