"""The fork server's own part: import the app once, so that every pool process is a fork that has it already.

multiprocessing's fork server imports this module by name (its preload list) and would swallow an ImportError,
so the work happens at import and every failure is kept in `error`, for the first child to report.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.forkserver
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from fleet.spec import Spec
from fleet.worker.app import load_app
from fleet.worker.errors import BootFailed
from fleet.worker.execution import Target
from fleet.worker.outcome import Policy
from fleet.worker.parent import signal_when_parent_dies

ENVIRONMENT = "FLEET_NURSERY"  # a Birth as JSON, from the worker to its fork server and no further
# Not SIGTERM, which may come for the whole process group while tasks still run, nor what an app might use.
PARENT_DIED = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2


@dataclass(frozen=True, slots=True)
class Birth(Spec):
    """What pool processes need to know; no broker URL, since it travels in the environment."""

    worker: str
    parent: int  # pid
    app: tuple[str, ...]
    pythonpath: tuple[str, ...]
    accept: tuple[str, ...]
    policy: tuple[Any, ...]  # a Policy


birth: Birth
pid = os.getpid()
targets: dict[str, Target] = {}
error: str | None = None


def ignore(_signum: int, _frame: FrameType | None) -> None:
    """A handler rather than SIG_IGN: programs that a task starts don't inherit it."""


def _prepare() -> None:
    global birth, targets, error  # noqa: PLW0603  a module that is imported for its effect
    birth = Birth.from_json(os.environ.pop(ENVIRONMENT))
    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGHUP, ignore)
    signal.signal(PARENT_DIED, lambda *_: _leave())
    atexit.register(_forget_socket)
    if not signal_when_parent_dies(PARENT_DIED, birth.parent):
        _leave()
    try:
        targets = load_app(birth.app, birth.pythonpath, Policy(*birth.policy))
    except BootFailed as failure:
        error = str(failure)


def _leave() -> None:
    _forget_socket()
    os._exit(0)


def _forget_socket() -> None:
    """A worker that was killed leaves the fork server's socket behind in the temporary folder."""
    address = getattr(multiprocessing.forkserver._forkserver, "_forkserver_address", None)
    if isinstance(address, str) and os.getpid() == pid:
        with contextlib.suppress(OSError):
            Path(address).unlink()
            Path(address).parent.rmdir()


if ENVIRONMENT in os.environ:
    _prepare()
    import fleet.worker.pools.child  # noqa: F401  so that no child has to
