"""The threads pool on a free-threaded Python, where one can be had: python3.14t or 3.13t on the PATH, or named by
FLEET_TEST_FREE_THREADED. The package index has none to install.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

NAMES = ("python3.14t", "python3.13t", "python3.15t")

_ASK = """\
import json, sys, threading
from fleet.machine import this_machine
from fleet.worker.pools.threads import is_locked_again
print(json.dumps([this_machine().has_gil, sys._is_gil_enabled(), is_locked_again()]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a venv with fleet in it."""
    found = os.environ.get("FLEET_TEST_FREE_THREADED") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(
            f"NOT TESTED: no free-threaded Python here ({', '.join(NAMES)} or FLEET_TEST_FREE_THREADED)"
        )
    venv = tmp_path_factory.mktemp("free-threaded")
    subprocess.run([found, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", str(ROOT)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: what fleet needs can't be installed for {found}: {done.stderr[-300:]}")
    return python


@pytest.mark.parametrize(("gil", "expected"), [("0", [False, False, False]), ("1", [False, True, True])])
def test_the_lock_is_what_the_process_says(
    python: str, gil: str, expected: list[bool], tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHON_GIL": gil}
    done = subprocess.run(
        [python, "-c", _ASK], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert json.loads(done.stdout) == expected
