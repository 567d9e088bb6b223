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
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

_SWEEP_AFTER_SECONDS = 60.0


def ring(folder: Path, work: Mapping[str, int]) -> None:
    """Wake up to `work[queue]` of those who listen to each queue. Never raises: a hint is only a hint."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # plain names, without a Path for each
    except OSError:
        return
    random.shuffle(names)
    for queue, count in work.items():
        left = count
        prefix = _prefix(queue)
        for name in names:
            if left > 0 and name.startswith(prefix):
                left -= _ring_one(folder / name)


def _ring_one(fifo: Path) -> int:
    """1 when somebody is listening there."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody reads it: its listener was killed
            with suppress(OSError):
                fifo.unlink()
        return 0
    try:
        os.write(descriptor, b"\0")
    except OSError:
        pass  # full: it will wake anyway
    finally:
        os.close(descriptor)
    return 1


class Listener:
    """This process's ear: `fileno` becomes readable when somebody rings for a queue that it is linked for."""

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
        self.fileno = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK)

    def start(self, queues: Sequence[str]) -> None:
        """Hear what comes from now on, and nothing of before."""
        wanted = [self._folder / f"{_prefix(queue)}{self._token}" for queue in queues]
        if wanted == self._links and all(link.exists() for link in wanted):
            self._drain()
            return
        self.stop()
        for link in wanted:
            os.link(self._fifo, link)
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
    for fifo in folder.iterdir():
        with suppress(OSError):
            if time.time() - fifo.stat().st_mtime > _SWEEP_AFTER_SECONDS:
                _ring_one(fifo)


def _prefix(queue: str) -> str:
    return hashlib.sha256(queue.encode()).hexdigest()[:16] + "."
