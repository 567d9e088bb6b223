"""The stacks of a process are asked for while it runs Python in every thread: none is torn, and the process goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.controller.observed import stacks as observed
from fleet.telemetry import ASK_SIGNAL
from tests.support import eventually

pytestmark = pytest.mark.skipif(ASK_SIGNAL is None, reason="no real-time signals here")

BUSY = """
import json, sys, threading
from fleet.worker import stacks

stacks.answer_when_asked()

def deeper(n):
    return json.dumps([n]) if n == 0 else deeper(n - 1)

def up():
    print("up", flush=True)

begun = threading.Barrier(3, up)  # in the last that comes; the others may be in there still

def busy():
    begun.wait()
    while True:
        deeper(20)
        sorted(range(50), key=lambda x: -x)

for _ in range(2):
    threading.Thread(target=busy, daemon=True).start()
busy()
"""
HOLDING = """
from fleet.worker import stacks

stacks.answer_when_asked()

def hold():
    print("up", flush=True)
    sum(range(10**11))  # in C from here on, without letting go of the interpreter lock

hold()
"""


@contextmanager
def started(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "FLEET_STATE_DIR": str(folder)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "worker-files"
    made.mkdir(mode=0o700)
    return made


def test_a_process_that_runs_python_is_asked_often_and_each_answer_is_whole(
    tmp_path: Path, folder: Path
) -> None:
    with started(BUSY, tmp_path) as process:
        for _ in range(20):
            text = eventually(
                lambda process=process: observed.ask([process.pid], [folder]).get(process.pid),
                within=20,
                message="an answer",
            )
            found = observed.threads(text)
            assert len(found) == 3
            functions = [frame.function for thread in found for frame in thread.frames]
            assert functions.count("busy") == 3
            assert "???" not in functions
        assert process.poll() is None


def test_a_process_whose_lock_is_kept_by_c_code_answers_only_when_it_is_forced(
    tmp_path: Path, folder: Path
) -> None:
    with started(HOLDING, tmp_path) as process:
        eventually(
            lambda process=process: not observed.ask([process.pid], [folder]),
            within=20,
            message="in C, and answers no more",
        )
        text = observed.force([process.pid], [folder])[process.pid]
        [thread] = observed.threads(text)
        assert [frame.function for frame in thread.frames] == ["hold", "<module>"]
        assert process.poll() is None
