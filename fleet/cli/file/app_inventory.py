"""The app's tasks, or why it can't be imported: asked of a process of its own, which may die or hang."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from fleet.config.resolve import AppImport
from fleet.rules.app import AppFailure, AppTask
from fleet.rules.celery import CelerySettings

SECONDS = 30.0  # what an import may take

# As workers are started: without it the fleet's folder can be imported from.
_SAFE_PATH = ("-P",) if sys.flags.safe_path else ()
_ABORT_SECONDS = 2.0
_MOST_LINES = 12
_CRASH_LINES = 60  # what faulthandler may add
_LONGEST_LINE = 4096
_LAST_OUTPUT_SECONDS = 1.0
_FRAME = re.compile(r'  File "(?P<file>[^"<]+)", line (?P<line>\d+) in ')
_SIGNALS = {int(each) for each in signal.Signals}
# What faulthandler writes when it is asked, or when the process crashes.
_FATAL = re.compile(r"^(Fatal Python error|(Current )?[Tt]hread 0x|Extension modules:)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _End:
    """How the process ended: `code` as of Popen, None when its time was up."""

    code: int | None
    answers: tuple[dict[str, Any], ...]
    output: str


class Inventory(NamedTuple):
    """What an app has."""

    tasks: tuple[AppTask, ...]
    celery: CelerySettings | None = None


def take_inventory(wanted: AppImport, folder: Path, seconds: float) -> Inventory | AppFailure:
    """`folder` is the fleet's: workers run there."""
    end = _run(json.dumps([wanted.app, wanted.pythonpath]), folder, wanted.environment, seconds)
    last: dict[str, Any] = end.answers[-1] if end.answers else {"importing": 0}
    if "tasks" in last:
        return _inventory(last, folder)
    output, crash = _parted(end.output)
    shown = tuple(
        line.rstrip()[:200] for line in [line for line in output.splitlines() if line.strip()][-_MOST_LINES:]
    )
    if "failed" in last:
        index, reason, where = last["failed"], last["reason"], _place(last, folder)
    else:
        index, reason, where = (
            last["importing"],
            _how_it_ended(end.code, seconds),
            _crash_place(crash, folder),
        )
    return AppFailure(index, wanted.app[index], reason, where, shown)


def _inventory(told: dict[str, Any], folder: Path) -> Inventory:
    tasks = tuple(
        AppTask(
            each["name"],
            each["queue"],
            _place(each, folder) or "?",
            each.get("is_async", False),
            early=each.get("early", False),
            routed=each.get("routed", False),
        )
        for each in told["tasks"]
    )
    celery = told.get("celery")
    if celery is None:
        return Inventory(tasks)
    return Inventory(tasks, CelerySettings(celery["entry"], celery["settings"], tuple(celery["bootsteps"])))


def _run(question: str, folder: Path, environment: Mapping[str, str], seconds: float) -> _End:
    # Neither has a name: whatever ends this process, nothing of it stays.
    with tempfile.TemporaryFile() as answers, _cord() as cord:
        descriptors = (answers.fileno(), cord)
        numbers = map(str, descriptors)
        process = subprocess.Popen(
            [sys.executable, *_SAFE_PATH, "-m", "fleet.tasks.inventory", *numbers, question],
            cwd=folder,
            pass_fds=descriptors,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # whatever the app starts ends with it
        )
        output: deque[bytes] = deque(maxlen=_MOST_LINES + _CRASH_LINES)
        reader = Thread(target=_read, args=(process, output), daemon=True)
        reader.start()
        try:
            code = _wait(process, seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(_LAST_OUTPUT_SECONDS)  # who left the session may still hold the other end
        answers.seek(0)
        return _End(code, tuple(_answers(answers.read())), b"".join(output).decode(errors="replace"))


@contextmanager
def _cord() -> Iterator[int]:
    """The end to give away of a pipe whose other end is this process's alone: it closes when this process ends."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


def _read(process: subprocess.Popen[bytes], output: deque[bytes]) -> None:
    """However much the app writes, only the last lines are kept."""
    assert process.stdout is not None
    with suppress(ValueError, OSError):
        while line := process.stdout.readline(_LONGEST_LINE):
            output.append(line)


def _answers(written: bytes) -> Iterator[dict[str, Any]]:
    """All that are complete: the process may have been killed in the middle of one."""
    for line in written.splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(seconds)
    # faulthandler answers this signal with the place where the import hangs.
    process.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ABORT_SECONDS)
    return None


def _parted(output: str) -> tuple[str, str]:
    """What the app wrote, and what faulthandler wrote at its end."""
    found = _FATAL.search(output)
    return (output[: found.start()], output[found.start() :]) if found else (output, "")


def _how_it_ended(code: int | None, seconds: float) -> str:
    if code is None:
        return f"it did not come back within {seconds:g} s"
    if code < 0:
        name = signal.Signals(-code).name if -code in _SIGNALS else f"signal {-code}"
        return f"it ended the process by {name}"
    return f"it ended the process with exit code {code}"


def _crash_place(crash: str, folder: Path) -> str | None:
    """The innermost frame of the app's own; faulthandler begins with the innermost one."""
    frames = [match.groupdict() for match in _FRAME.finditer(crash)]
    own = [frame for frame in frames if Path(frame["file"]).is_relative_to(folder)]
    return _place((own or frames)[0], folder) if frames else None


def _place(found: Mapping[str, Any], folder: Path) -> str | None:
    """ "shop/tasks.py:12"."""
    if "file" not in found:
        return None
    path = Path(found["file"])
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{shown}:{found['line']}"
