"""The start of a program, around the fork and between fork and exec: clean signals, own group, bound to the parent's
life.

A child starts with supervisord's signal handlers. A SIGTERM that arrives before exec would be taken by one
of them and be lost: so all signals are blocked around the fork, and the child unblocks them when it has
default handlers again.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import signal
from collections.abc import Mapping
from contextlib import suppress

from fleet import prctl
from fleet.launch_specs import Exit, ProgramSpec

_MOST_CAPABILITIES = 64  # two words in the kernel
_FOR_ALL = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)
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


_prctl = prctl.load()  # before any fork: a child shall not import


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
            _step_forward_or_back(program.nice)
        environment = environment_of(program, os.environ)
        if program.user is not None:
            become_user(program.user)
        _die_with(parent)
        os.chdir(program.directory)
        os.execve(program.command[0], program.command, environment)  # noqa: S606
    except BaseException as error:
        os.write(2, f"fleet: cannot start {program.command[0]}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(Exit.BOOT_FAILED)


def environment_of(program: ProgramSpec, inherited: Mapping[str, str]) -> dict[str, str]:
    """With a `user`, of the inherited only what says where things are and how to speak: the rest may be secrets of who
    started the fleet. What its workers need stands in the file (`env`, `env_file`).
    """
    if program.user is not None and pwd.getpwnam(program.user).pw_uid != os.getuid():
        inherited = {name: value for name, value in inherited.items() if _is_for_all(name)}
    return {**inherited, **home_of(program.user), **program.environment, "FLEET_SUPERVISED": "1"}


def _step_forward_or_back(nice: int) -> None:
    try:
        os.nice(nice)
    except PermissionError:
        raise PermissionError(
            f"nice = {nice} is for root alone (a positive number is for everybody)"
        ) from None


def _is_for_all(name: str) -> bool:
    return name in _FOR_ALL or name.startswith(("LC_", "PYTHON", "FLEET_"))


def home_of(name: str | None) -> dict[str, str]:
    """Of another user: else a library that keeps something there tries the home of whoever started us."""
    if name is None:
        return {}
    return {"HOME": pwd.getpwnam(name).pw_dir, "USER": name, "LOGNAME": name}


def become_user(name: str) -> None:
    user = pwd.getpwnam(name)
    if user.pw_uid == os.getuid():
        return
    groups = [group.gr_gid for group in grp.getgrall() if name in group.gr_mem]
    _drop_capabilities()
    os.setgroups([user.pw_gid, *groups])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if _prctl is not None and _prctl(prctl.SET_NO_NEW_PRIVS, 1) != 0:
        raise PermissionError("can't give up the right to gain privileges (no_new_privs)")


def _drop_capabilities() -> None:
    """From the bounding set: nothing that this process ever executes can have them. Where even root may not drop them,
    no_new_privs keeps it from gaining any.
    """
    if _prctl is None:
        return
    for capability in range(_MOST_CAPABILITIES):
        _prctl(prctl.CAPBSET_DROP, capability)  # beyond the last one that the kernel knows: EINVAL


def can_adopt() -> bool:
    """Whether `adopt_orphans` does anything here."""
    return _prctl is not None


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, as process 1 would."""
    if _prctl is not None:
        _prctl(prctl.SET_CHILD_SUBREAPER, 1)


def _die_with(parent: int) -> None:
    """Get SIGHUP when `parent` ends. After any change of user: that clears the setting.

    Not SIGTERM: to a worker that is draining already it would mean "at once".
    """
    if not prctl.signal_when_parent_dies(signal.SIGHUP, parent):
        os._exit(Exit.OK)  # it ended before that
