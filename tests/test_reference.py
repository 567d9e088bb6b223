"""docs/reference/ says what the code says."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT


def test_the_reference_has_not_drifted() -> None:
    check = [sys.executable, "scripts/reference.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
