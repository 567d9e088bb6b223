"""A new edition of the app's code: loaded on trial in another process, then this one starts anew with it.

A Python process can't unload code. What can't be loaded replaces nothing, as in a rollout of workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

from fleet.scheduler.log import Log

TRY = "--try"
_LONGEST_SECONDS = 300.0


class CodeTrial:
    """`environment` is that of this process before the app's variables came into it."""

    def __init__(self, file: Path, environment: Mapping[str, str], log: Log) -> None:
        self._file = file
        self._environment = dict(environment)
        self._log = log
        self._trial: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._deadline = 0.0

    def begin(self) -> None:
        """A trial that still goes on is of older code."""
        self.abandon()
        command = [*self._command[:-1], TRY, str(self._file)]
        if self._said is None:  # beside the launch file: TMPDIR may be full, or not there
            self._said = tempfile.TemporaryFile(dir=self._file.parent)  # noqa: SIM115  as long as this process
        self._said.seek(0)
        self._said.truncate()
        self._trial = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=self._said
        )
        self._deadline = time.monotonic() + _LONGEST_SECONDS

    def has_passed(self) -> bool:
        """Whether a trial has ended well. How it ended otherwise is said in the log."""
        trial = self._trial
        if trial is None or (trial.poll() is None and time.monotonic() < self._deadline):
            return False
        if trial.returncode is None:
            self.abandon()
            self._log.error(
                f"the new code of the app is not loaded after {_LONGEST_SECONDS:.0f} s: the old one stays"
            )
            return False
        assert self._said is not None
        self._trial = None
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        if trial.returncode != 0:
            why = said[-1] if said else f"it ended with {trial.returncode}"
            self._log.error(f"the new code of the app can't be loaded, the old one stays: {why}")
        return trial.returncode == 0

    def abandon(self) -> None:
        if self._trial is not None:
            self._trial.kill()
            self._trial.wait()
            self._trial = None

    def start_anew(self) -> NoReturn:
        """Start this process from its beginning; its pid stays."""
        os.execve(sys.executable, self._command, self._environment)  # noqa: S606

    @property
    def _command(self) -> list[str]:
        return list(sys.orig_argv)
