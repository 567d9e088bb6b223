"""Wake idle consumers of the embedded broker: a FIFO each in `<database>.wake/`, hard-linked once per queue.

Why not watch the file: `PRAGMA data_version` every few milliseconds costs more than an idle worker may, and
a back-off costs the latency; inotify is Linux only and fires for every ack of every worker. Here an idle
consumer blocks in poll() for nothing; a producer lists one folder and writes a byte to as many listeners as
it has messages, so one message wakes one of fifty. A link stands for "waiting for this queue right now".
FIFO and not a Unix datagram socket: no limit on the path's length. What a killed listener leaves behind has
no reader and is removed by the first that writes to it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from fleet.clock import time

_SWEEP_AFTER_SECONDS = 60.0


def ring(folder: Path, work: Mapping[str, int]) -> None:
    """Wake up to `work[queue]` of those who listen to each queue. Never raises: a hint is only a hint."""
    with suppress(OSError), _opened(folder) as at:
        names = os.listdir(at)  # noqa: PTH208  # plain names, without a Path for each
        random.shuffle(names)
        for queue, count in work.items():
            left = count
            prefix = _prefix(queue)
            for name in names:
                if left > 0 and name.startswith(prefix):
                    left -= _ring_one(name, at)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of the folder itself, not of what a link there leads to. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _ring_one(name: str, at: int) -> int:
    """1 when somebody is listening there. `at` is the folder: it may belong to a user whom we don't trust, and who
    may put anything there under any name.
    """
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody reads it: its listener was killed
            with suppress(OSError):
                os.unlink(name, dir_fd=at)
        return 0
    try:
        if not _is_bell(descriptor, at):
            return 0
        os.write(descriptor, b"\0")
    except OSError:
        pass  # full: it will wake anyway
    finally:
        os.close(descriptor)
    return 1


def _is_bell(descriptor: int, at: int) -> bool:
    """A FIFO of ours, or of the folder's owner."""
    found = os.fstat(descriptor)
    return stat.S_ISFIFO(found.st_mode) and found.st_uid in (os.geteuid(), os.fstat(at).st_uid)


class Listener:
    """The ear of this process: `fileno` becomes readable when somebody rings for a queue that it is linked for."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the file system has no FIFOs."""
        self._folder = folder
        self._token = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._fifo = folder / f"fifo.{self._token}"
        self._links: list[Path] = []
        folder.mkdir(mode=0o700, exist_ok=True)
        _sweep(folder)
        os.mkfifo(self._fifo, 0o600)
        # Reading and writing: else the last writer's close would leave it readable (hung up) for ever.
        self.fileno = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISFIFO(os.fstat(self.fileno).st_mode):
            os.close(self.fileno)
            raise FileExistsError(errno.EEXIST, "somebody has replaced our FIFO", str(self._fifo))

    def start(self, queues: Sequence[str]) -> None:
        """Hear what comes from now on, and nothing of before."""
        wanted = [self._folder / f"{_prefix(queue)}{self._token}" for queue in queues]
        if wanted == self._links and all(link.exists() for link in wanted):
            self._drain()
            return
        self.stop()
        for link in wanted:
            os.link(self._fifo, link, follow_symlinks=False)
            self._links.append(link)

    def stop(self) -> None:
        for link in self._links:
            with suppress(OSError):
                link.unlink()
        self._links.clear()
        self._drain()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.fileno, 65536)

    def close(self) -> None:
        self.stop()
        os.close(self.fileno)
        with suppress(OSError):
            self._fifo.unlink()


def _sweep(folder: Path) -> None:
    """Remove what killed listeners left; a young one may only just be opening its FIFO."""
    with _opened(folder) as at:
        for name in os.listdir(at):  # noqa: PTH208
            with suppress(OSError):
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
                if time.time() - found.st_mtime > _SWEEP_AFTER_SECONDS:
                    _ring_one(name, at)


def _prefix(queue: str) -> str:
    return hashlib.sha256(queue.encode()).hexdigest()[:16] + "."
