"""The fork server's own part: import the app once, so that every pool process is a fork that has it already.

multiprocessing's fork server imports this module by name (its preload list) and would swallow an ImportError,
so the work happens at import and every failure is kept in `error`, for the first child to report. What the import
has opened and forks would share is kept in `shared`: the worker then starts another fork server, which leaves the
import to each pool process.
"""

from __future__ import annotations

import atexit
import multiprocessing.forkserver
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fleet.prctl import signal_when_parent_dies
from fleet.spec import Spec
from fleet.worker import stdio
from fleet.worker.app import App, AppSpec, open_app
from fleet.worker.errors import BootFailed
from fleet.worker.pools import socket_folder
from fleet.worker.pools.opened_at_import import OpenedAtImport

ENVIRONMENT = "FLEET_NURSERY"  # a PoolPreload as JSON, from the worker to its fork server and no further
# Not SIGTERM, which may come for the whole process group while tasks still run, nor what an app might use.
PARENT_DIED = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2


@dataclass(frozen=True, slots=True)
class PoolPreload(Spec):
    """What pool processes need to know."""

    parent: int  # pid
    app: AppSpec
    opened_at_import: str = "share"  # see WorkerSpec
    separate: bool = False  # each pool process imports the app by itself
    lock_file: str = ""  # for whole lines in the log, see stdio


birth: PoolPreload
pid = os.getpid()
app: App  # when there is no `error`
error: str | None = None
shared: str | None = None  # what pool processes must not share, so that none can be forked from here


def ignore(_signum: int, _frame: FrameType | None) -> None:
    """A handler rather than SIG_IGN: programs that a task starts don't inherit it."""


def _prepare() -> None:
    global birth, error, shared  # noqa: PLW0603  a module that is imported for its effect
    birth = PoolPreload.from_json(os.environ.pop(ENVIRONMENT))
    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGHUP, ignore)
    signal.signal(PARENT_DIED, lambda *_: _leave())
    atexit.register(_forget_socket)
    if not signal_when_parent_dies(PARENT_DIED, birth.parent):
        _leave()
    stdio.write_whole_lines(birth.lock_file)
    if birth.separate:
        return
    opened = OpenedAtImport()
    with opened.watching():
        load()
    if error is None and birth.opened_at_import != "share" and (left := opened.left()):
        what = f"importing the app opened {'; '.join(left)}"
        if birth.opened_at_import == "refuse":
            error = f'{what}, which pool processes would share (opened_at_import is "refuse"): open it in the task'
        else:
            shared = what


def load() -> None:
    """Import the app into this process: `app`, or `error`."""
    global app, error  # noqa: PLW0603
    try:
        app = open_app(birth.app)
    except BootFailed as failure:
        error = str(failure)


def enter() -> None:
    """In a pool process, with an `app`: it will run tasks. Or `error`."""
    global error  # noqa: PLW0603
    try:
        app.enter(pool_process=True)
    except BootFailed as failure:
        error = str(failure)


def _leave() -> None:
    """The worker has ended. In the process that the others are forked from."""
    _forget_socket()
    if os.getpid() == pid and "app" in globals():
        app.stop()
    os._exit(0)


def _forget_socket() -> None:
    """A worker that was killed leaves the fork server's socket behind in the temporary folder."""
    address = getattr(multiprocessing.forkserver._forkserver, "_forkserver_address", None)
    if isinstance(address, str) and os.getpid() == pid:
        folder = Path(address).parent
        if folder.name.startswith(socket_folder.PREFIX):
            socket_folder.remove(folder)


if ENVIRONMENT in os.environ:
    _prepare()
