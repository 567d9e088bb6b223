"""The tasks that the contract's workers run. What they did, they write into $CONTRACT_JOURNAL."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

from fleet import Retry, SoftTimeLimitExceeded, current, task


def write(what: str, key: str, **more: object) -> None:
    line = json.dumps({"what": what, "key": key, "at": time.time(), "pid": os.getpid(), **more}) + "\n"
    journal = os.open(os.environ["CONTRACT_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, line.encode())
    os.close(journal)


@task
def note(key: str) -> None:
    write("note", key, id=current.id, attempt=current.attempt, queue=current.queue, task=current.task)


@task
def nap(key: str, seconds: float) -> None:
    write("begin", key, id=current.id)
    time.sleep(seconds)
    write("end", key, id=current.id)


@task
def fail(key: str) -> None:
    write("failing", key, attempt=current.attempt)
    raise ValueError(f"no luck with {key}")


@task
def leave(key: str) -> None:
    write("leaving", key)
    sys.exit(3)


@task
def come_back(key: str) -> None:
    write("called", key, attempt=current.attempt)
    if current.attempt == 1:
        raise Retry("not yet", delay=0.2)


@task(max_retries=0)
def give_up(key: str) -> None:
    write("gave up", key)
    raise Retry(delay=0.1)


@task(soft_time_limit=0.3)
def interrupted(key: str) -> None:
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded as error:
        write("interrupted", key, text=str(error))


@task(time_limit=0.4, max_retries=0)
def endless(key: str) -> None:
    write("begin", key)
    time.sleep(60)


@task
def crash_once(key: str) -> None:
    """Kills its process unless it has done so before."""
    marker = Path(f"{os.environ['CONTRACT_JOURNAL']}.{key}")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write("survived", key)


@task
def crash(key: str) -> None:
    write("crashing", key)
    os.kill(os.getpid(), signal.SIGSEGV)


@task
def end_worker(key: str, seconds: float) -> None:
    """Takes its whole worker down, in prefork too: the leader of its session."""
    write("ending", key, id=current.id)
    time.sleep(seconds)
    os.kill(os.getsid(0), signal.SIGKILL)
    time.sleep(60)


hoard: list[bytearray] = []


@task
def grow(key: str, mebibytes: int, seconds: float) -> None:
    """Hold so much more memory from now on."""
    write("growing", key, id=current.id)
    hoard.append(bytearray(b"x") * (mebibytes * 1024 * 1024))
    time.sleep(seconds)
    write("grown", key, id=current.id)


@task
def spin(key: str, seconds: float) -> None:
    """Compute, and let nobody else run where that takes goodwill."""
    write("begin", key, id=current.id)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    write("end", key, id=current.id)


@task
def share(key: str, seconds: float) -> None:
    """Hold shared memory, and put it away if there is time for that."""
    shared = SharedMemory(create=True, size=4096)
    write("shared", key, id=shared.name)
    time.sleep(seconds)
    shared.close()
    shared.unlink()


@task(time_limit=0.5, max_retries=0)
def stubborn(key: str, seconds: float) -> None:
    """Has a limit that can't stop it, where a pool has no means to kill."""
    spin(key, seconds)


@task(soft_time_limit=0.3)
def interrupted_between_calls(key: str) -> None:
    """As a thread can be: not within a single call that waits."""
    try:
        while True:
            time.sleep(0.01)
    except SoftTimeLimitExceeded as error:
        write("interrupted", key, text=str(error))


@task
def weigh(key: str, text: str, fail_first: bool = False) -> None:
    """Note how large `text` is and what it ends with; come back once if asked to."""
    write("weighed", key, id=current.id, attempt=current.attempt, size=len(text), end=text[-8:])
    if fail_first and current.attempt == 1:
        raise Retry("once more", delay=0.2)


@task(max_retries=0)
def weigh_and_fail(key: str, text: str) -> None:
    weigh.function(key, text)
    raise ValueError(f"no luck with {len(text)} characters")


@task(max_retries=0)
def retry_never(_key: str) -> None:
    raise Retry("when hell freezes over", delay=1e12)


@task(max_retries=0)
def retry_oddly(_key: str) -> None:
    request = Retry("soon")
    request.delay_seconds = "soon"  # type: ignore[assignment]
    raise request


class UnspeakableError(Exception):
    """Whoever asks what it says is told to leave."""

    def __str__(self) -> str:
        leave.function("unspeakable")
        return ""

    __repr__ = __str__


@task(max_retries=0)
def raise_oddly(_key: str) -> None:
    raise UnspeakableError


@task(max_retries=0)
def raise_surrogates(_key: str) -> None:
    raise ValueError("half a pair: \ud800, and a byte: \udcff")
