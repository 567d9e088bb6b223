"""A real fleet for a test: `fleet up` as a child process, its status, and proof that nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import ROOT, alive, descendants, eventually, marked, unique

PRELOADED = bool(os.environ.get("FLEET_TEST_PRELOAD"))
"""All workers that can be are forked by zygotes, whatever the test is about."""


class RunningFleet:
    """`with RunningFleet(folder) as fleet:` runs folder/fleet.toml and waits until it is healthy."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None, healthy: bool = True) -> None:
        self.folder = folder
        self.file = folder / "fleet.toml"
        self.wait_healthy = healthy
        self.mark = f"FLEET_TEST_RUN={unique('run')}"
        marking = dict([self.mark.split("=")])
        path = [ROOT / "tests" / "preloading", ROOT] if PRELOADED else [ROOT]
        python_path = {"PYTHONPATH": os.pathsep.join(map(str, path))}
        self.environment = {**os.environ, "NO_COLOR": "1", **python_path, **marking, **(env or {})}
        self.environment.pop("FLEET_FILE", None)
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.seen: set[int] = set()
        self.command_prefix: tuple[str, ...] = ()  # what `fleet up` is run by
        self.python = sys.executable
        self.options: tuple[str, ...] = ()  # of `fleet up`

    def __enter__(self) -> RunningFleet:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.command_prefix, self.python, "-m", "fleet", "up", *self.options],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if self.wait_healthy:
            eventually(lambda: self.status()["state"] == "healthy", within=120, message="healthy")

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `fleet` command beside the running fleet."""
        done = subprocess.run(
            [self.python, "-m", "fleet", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"fleet {arguments}: {done.returncode}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """`fleet status --json`; AssertionError while there is none (so that `eventually` waits for it)."""
        done = self.command("status", "--json", check=False)
        assert done.returncode in (0, 1), f"{done.stderr}\n{self.tail()}"
        status: dict[str, Any] = json.loads(done.stdout)
        self.seen |= descendants(self.pid)
        return status

    def group(self, name: str) -> dict[str, Any]:
        return next(group for group in self.status()["groups"] if group["name"] == name)

    def pids(self, name: str) -> set[int]:
        """Of the group's ready workers."""
        return {worker["pid"] for worker in self.group(name)["workers"] if worker["state"] == "ready"}

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        """SIGTERM, then make sure that nothing of the fleet is left; kills what is, and fails."""
        assert self.process is not None
        self.seen |= descendants(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"fleet up did not end on SIGTERM:\n{self.tail()}") from None
        finally:
            self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        try:
            eventually(lambda: not self.left_over(), within=15, message="every process of the fleet gone")
        finally:
            for pid in self.left_over():
                os.kill(pid, signal.SIGKILL)

    def left_over(self) -> set[int]:
        """By their mark where the system tells it, for a pid that was seen may be somebody else's by now."""
        if Path("/proc/self/environ").exists():
            return marked(self.mark)
        return {pid for pid in self.seen if alive(pid)}
