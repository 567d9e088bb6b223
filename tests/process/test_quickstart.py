"""The first command of the README, as scripts/demo runs it: the work gets done, Ctrl-C ends it cleanly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, alive, descendants, eventually

DEMO = f'"{sys.executable}" examples/quickstart/demo.py & exec "{sys.executable}" -m fleet up'


@pytest.mark.process
def test_the_demo_does_its_work_and_ends_on_ctrl_c(short_folder: Path) -> None:
    folder = short_folder / "checkout"
    shutil.copytree(ROOT / "examples" / "quickstart", folder / "examples" / "quickstart")
    shutil.copy(ROOT / "fleet.toml", folder)
    output = folder / "terminal.txt"
    with output.open("wb") as terminal:
        up = subprocess.Popen(
            ["sh", "-c", DEMO],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "FLEET_FILE": ""},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    seen: set[int] = set()
    try:
        eventually(
            lambda: "edit fleet.toml" in output.read_text(), within=120, message="the demo's last line"
        )
        seen = descendants(up.pid)
        assert (folder / ".fleet" / "demo.png").read_bytes().startswith(b"\x89PNG")

        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, output.read_text()[-2000:]
        eventually(lambda: not [pid for pid in seen if alive(pid)], within=15, message="all processes gone")
    except AssertionError as failed:
        raise AssertionError(f"{failed}\n{output.read_text()[-3000:]}") from failed
    finally:
        for pid in {up.pid, *seen}:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        up.wait()
