"""The worker that `fleet worker` becomes: what it needs lies in memory, and process 1 stays behind as a small init."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.cli.running.launch import module_command
from fleet.instance import new_token
from fleet.slot_names import slot_name

if TYPE_CHECKING:
    from fleet.config.model import Fleet
    from fleet.launch_specs import WorkerSpec

_DEFAULT_LISTEN = ":8788"

# As process 1 the worker would have to reap what its tasks leave behind, and could not tell that from children that a
# task still waits for. What comes for it waits in the mask that it inherits: no moment is without an ear.
_INIT = """\
import _signal, posix, sys
heard = {1, 2, 3, 15, _signal.SIGCHLD}
_signal.pthread_sigmask(_signal.SIG_BLOCK, heard)
worker = posix.fork()
if worker == 0:
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    posix.execv(sys.argv[1], sys.argv[1:])
while True:
    if (signum := int(_signal.sigwait(heard))) != _signal.SIGCHLD:
        posix.kill(worker, 15)
        continue
    while (ended := posix.waitpid(-1, posix.WNOHANG))[0]:
        if ended[0] == worker:
            code = posix.waitstatus_to_exitcode(ended[1])
            posix._exit(code if code >= 0 else 128 - code)
"""
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def become_worker(fleet: Fleet, group: str, replica: int, listen: str | None) -> NoReturn:
    """A worker of `group`, in place of this process. Raises Failure."""
    from fleet.config.resolve import routing
    from fleet.config.resolve_groups import worker_spec
    from fleet.config.source import Unreadable
    from fleet.launch_specs import WorkerLaunch

    try:
        spec, rules = worker_spec(fleet, group), routing(fleet)
    except Unreadable as error:
        raise Failure(f"{error}, so nothing was started", Exit.BAD_CONFIG) from error
    routing_file = _in_memory("fleet-routing", rules.to_json())
    launch = WorkerLaunch(
        worker=slot_name(group, replica),
        replica=replica,
        revision=spec.revision,
        spec=spec,
        control_socket="",
        routing_file=routing_file,
        live_revision=spec.live_revision,
        token=new_token(),
        listen=_address(listen),
    )
    os.chdir(fleet.folder)
    own = _take_on(spec)
    environment = {**os.environ, **own, **spec.environment, "FLEET_ROUTING": routing_file}
    environment.pop("FLEET_SUPERVISED", None)
    command = module_command("fleet.worker", _in_memory("fleet-launch", launch.to_json()))
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpid() == 1:
        command = (sys.executable, "-I", "-S", "-c", _INIT, *command)
        signal.pthread_sigmask(
            signal.SIG_BLOCK, _ENDING
        )  # until it listens: process 1 would not even be told
    os.execve(command[0], command, environment)  # noqa: S606


def _in_memory(name: str, text: str) -> str:
    """The path of a file that only this process and what it becomes have, and that goes with them."""
    fd = os.memfd_create(name, 0) if sys.platform == "linux" else _unlinked()
    with open(fd, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return f"/proc/self/fd/{fd}" if sys.platform == "linux" else f"/dev/fd/{fd}"


def _unlinked() -> int:
    import tempfile

    fd, path = tempfile.mkstemp(prefix="fleet-worker-")
    os.unlink(path)  # noqa: PTH108
    return fd


def _address(listen: str | None) -> str:
    """Raises Failure."""
    stated = listen if listen is not None else os.environ.get("FLEET_LISTEN")
    if stated is None:
        return _DEFAULT_LISTEN if os.getpid() == 1 else ""
    if not stated:
        return ""
    port = stated.rpartition(":")[2]
    if ":" not in stated or not port.isdecimal() or int(port) > 65535:
        raise Failure(
            f'--listen: expected "HOST:PORT" or ":PORT", such as ":8788", got {stated!r}', Exit.USAGE
        )
    return stated


def _take_on(spec: WorkerSpec) -> dict[str, str]:
    """The group's `nice` and, for root, its `user`; the variables that go with that. Raises Failure."""
    try:
        if spec.nice:
            os.nice(spec.nice)
        if spec.user is not None and os.getuid() == 0:
            from fleet.supervisor.spawn import become_user, home_of

            become_user(spec.user)
            return home_of(spec.user)
    except (OSError, KeyError) as error:
        raise Failure(
            f"[workers.{spec.group}]: can't run as the file says: {error}", Exit.BAD_CONFIG
        ) from error
    return {}
