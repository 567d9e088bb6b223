"""A program that sends from a folder without a fleet.toml: told what to write in its code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

CODE = """
from fleet import task

@task
def work(): ...

try:
    work.send()
except ValueError as error:
    print(error)
"""


def test_the_remedy_is_one_for_code(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "fleet.configure(" in ran.stdout
    assert "FLEET_FILE" in ran.stdout
    assert "`fleet init`" not in ran.stdout, "that is for the command line"
    assert " -f" not in ran.stdout
