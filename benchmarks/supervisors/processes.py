"""What /proc says of processes, and servers for the while of a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
PAUSE = 0.003


def until(condition: Callable[[], object], within: float = 180.0, what: str = "") -> float:
    """Seconds until it holds; RuntimeError when it does not in time."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > within:
            raise RuntimeError(f"not within {within:g} s: {what or condition}")
        time.sleep(PAUSE)
    return time.perf_counter() - began


def alive(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[0] != "Z"


def children(pid: int) -> set[int]:
    """Living direct ones."""
    with suppress(OSError):
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        found = " ".join((thread / "children").read_text() for thread in threads)
        return {int(child) for child in found.split() if alive(int(child))}
    return set()


def command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def cpu_seconds(pids: set[int]) -> float:
    """User and system time of these processes, their dead children not counted."""
    stats = [fields for pid in pids if (fields := _stat(pid)) is not None]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICK


def pss_bytes(pids: set[int]) -> int:
    """Memory, shared pages in proportion."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def marked(mark: str) -> set[int]:
    """Living processes with `mark` (NAME=VALUE) in the environment they were started with."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0") and alive(int(folder.name)):
                found.add(int(folder.name))
    return found


def kill(pids: set[int], signum: int = signal.SIGKILL) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _stat(pid: int) -> list[str] | None:
    """From the third field on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of the run's own, so that no machine's is disturbed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen(["redis-server", *settings], cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port), within=20, what="Redis")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
