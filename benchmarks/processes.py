"""Process trees: start one, read its CPU time, memory and wake-ups, end it with all that it started."""

from __future__ import annotations

import compileall
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent


def compile_bytecode() -> None:
    """As an installed package has it: where Python may not write any, we would compile fleet at each start."""
    for folder in ("fleet", "benchmarks"):
        compileall.compile_dir(ROOT / folder, quiet=2)


class Failed(RuntimeError):  # noqa: N818
    """What was to be measured did not do its work."""


class Tree:
    """A command in a session of its own. `with Tree(...)` ends all of it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.log = folder / "log"
        self.began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT if environment.get("PYTHONPATH") else folder,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pids(self) -> list[int]:
        """Of the tree as it is now, by parent; the fork server's children included."""
        return tree(self.process.pid)

    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, condition: Callable[[], bool], within: float, what: str, every: float = 0.01) -> None:
        """Raises Failed with what the tree has printed."""
        try:
            wait_for(condition, within, what, every)
        except Failed as error:
            raise Failed(f"{error}\n{self.log.read_text()[-2000:]}") from None

    def end(self) -> None:
        mine = self.pids
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        for pid in [*mine, self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in _stats():
        children.setdefault(int(stat[1]), []).append(int(stat[0]))
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def _stats() -> list[tuple[str, str]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((folder.name, (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]))
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time so far, of these and of their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
    return total / _TICK


def pss_megabytes(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def wakeups(pids: Sequence[int]) -> int:
    """How often any of their threads has gone to sleep of its own accord."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for status in Path(f"/proc/{pid}/task").glob("*/status"):
                total += int(status.read_text().rsplit("\nvoluntary_ctxt_switches:", 1)[1].split()[0])
    return total


def wait_for(condition: Callable[[], bool], within: float, what: str, every: float = 0.01) -> None:
    """Raises Failed."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not within {within:g} s: {what}")
        time.sleep(every)
