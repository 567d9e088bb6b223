"""The zygote: a process that has imported what workers of a group need, and forks them from that.

`python -m fleet.worker --preload WHAT`, started by the supervisor (fleet.supervisor.zygote, the other end of its
stdin). It opens no connection and starts no thread, and it forks twice, so that the worker becomes a child of the
supervisor like any other. What a worker inherits is what the supervisor gives to any program: user, limits,
folder, environment, default signals. Only descriptors, process group and death signal are its own.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import stat
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from fleet.launch_specs import Exit, Preload
from fleet.prctl import signal_when_parent_dies
from fleet.worker.errors import BootFailed
from fleet.worker.importing import import_app

_LONGEST_ORDER = 65536
_DESCRIPTORS = 3


def serve(told: str) -> list[str]:
    """Returns in every worker that is forked, with its arguments; the zygote itself ends in here."""
    channel = socket.socket(fileno=0)
    if reason := _prepare(Preload.from_json(told)):
        _say(channel, refused=reason)
        os._exit(Exit.OK)
    _say(channel, ready=True)
    while True:
        order, descriptors = _receive(channel)
        if order is None:
            os._exit(Exit.OK)  # nothing was opened that would have to be closed
        if _is_worker(descriptors[-1]):
            channel.detach()  # its number is the worker's stdin from now on
            return _be_worker(order, *descriptors)
        for fd in descriptors:
            os.close(fd)


def _prepare(preload: Preload) -> str | None:
    """Why no worker can be forked from what has been imported, if so."""
    try:
        import_ahead(preload)
    except (BootFailed, ImportError) as error:
        return str(error)
    if reason := unfit():
        return reason
    gc.collect()
    gc.freeze()  # a collection in a worker would write into, and so copy, all that is shared
    sys.stdout.flush()
    sys.stderr.flush()
    return None


def import_ahead(preload: Preload) -> None:
    """Raises BootFailed or ImportError."""
    import ctypes  # noqa: F401  for the death signal

    import fleet.broker.import_ahead
    import fleet.worker.__main__
    import fleet.worker.pools
    import fleet.worker.run

    runs_tasks = preload.pool != "prefork"
    fleet.broker.import_ahead.import_for(preload.broker, publishes=runs_tasks)
    if runs_tasks:
        import_module("fleet.tasks.sending")  # each worker would load it when it starts (see run)
    import_module(fleet.worker.pools.POOLS[preload.pool].partition(":")[0])
    import_app(preload.app, preload.pythonpath)


def unfit() -> str | None:
    """What a fork would tear: another thread is not there in it, and a connection is there twice."""
    if (more := len(os.listdir("/proc/self/task")) - 1) > 0:  # noqa: PTH208
        return f"importing the app has started {more} thread{'' if more == 1 else 's'}"
    if any(fd > 2 and _is_socket(fd) for fd in map(int, os.listdir("/proc/self/fd"))):  # noqa: PTH208
        return "importing the app has opened a connection"
    return None


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False  # the one that listed them


def _say(channel: socket.socket, **words: Any) -> None:
    with suppress(OSError):
        channel.send(json.dumps(words).encode())


def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next order; None when the supervisor wants no more of them, or has ended."""
    try:
        data, descriptors, _flags, _address = socket.recv_fds(channel, _LONGEST_ORDER, _DESCRIPTORS)
    except OSError:
        return None, []
    return (json.loads(data) if data else None), descriptors


def _is_worker(cord: int) -> bool:
    """Fork twice. True in the worker; the zygote tells the supervisor its pid by `cord`.

    Not before the process in the middle has been reaped: from then on the worker is the supervisor's child.
    Whatever fails here closes `cord` without a word, and the supervisor starts the worker another way.
    """
    reader, writer = os.pipe()
    try:
        middle = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return False
    if middle == 0:
        try:
            if worker := os.fork():
                os.write(writer, str(worker).encode())
                os._exit(Exit.OK)
            os.setpgid(0, 0)
            os.close(reader)
            os.close(writer)
        except BaseException:
            os._exit(Exit.BOOT_FAILED)
        return True
    os.close(writer)
    pid = os.read(reader, 32)
    os.close(reader)
    os.waitpid(middle, 0)
    with suppress(OSError):
        os.write(cord, pid)
    return False


def _be_worker(order: dict[str, Any], stdin: int, output: int, cord: int) -> list[str]:
    """The arguments of the worker that this process shall be; it ends when the supervisor has given it up."""
    for source, target in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    accepted = _hear(cord)
    for fd in (stdin, output, cord):
        os.close(fd)
    if not accepted or not signal_when_parent_dies(signal.SIGHUP, order["supervisor"]):
        os._exit(Exit.OK)
    main = sys.modules["fleet.worker.__main__"]
    # What pool processes are told to import as theirs, and tools show.
    sys.modules["__main__"] = main
    sys.argv = [str(main.__file__), *order["arguments"]]
    return list(order["arguments"])


def _hear(cord: int) -> bool:
    """Whether the supervisor has taken this process as the worker: it says so, or closes its end."""
    with suppress(OSError):
        return os.read(cord, 1) != b""
    return False
