"""`python -m tests.boundary.compare OLD`: what crosses a process boundary, here and in the checkout OLD.

Printed is what OLD has and this code no longer has, or has otherwise; with --all, what has been added too. OLD is run
by the interpreter of its own venv. A command and no test: a checkout can come without the history.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import Any

from tests.boundary.elsewhere import Elsewhere
from tests.boundary.outputs import APP, FILE, outputs_of
from tests.boundary.test_boundary import differences
from tests.support import ROOT

NEW_COMMANDS = {"delayed", "schedule"}
# Names of classes don't travel, fields do.
RENAMED = {
    "Accepted": "FleetState",
    "Failure": "FailedRevision",
    "Ledger": "Revisions",
    "Order": "SendOrder",
}
OF_ONE_VERSION = {"Birth"}  # said by a worker to its own fork server


def static(code: Path, python: Path) -> dict[str, Any]:
    """Read by that code's interpreter: exit codes, names of files and keys are values, not texts."""
    script = ROOT / "tests" / "boundary" / "words.py"
    done = subprocess.run(
        [python, script, code], env={"PYTHONPATH": str(code)}, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    found["specs"] = {
        RENAMED.get(name, name): fields
        for name, fields in found["specs"].items()
        if name not in OF_ONE_VERSION
    }
    return found


def shown(code: Path, python: Path, absent: Container[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        return outputs_of(Elsewhere(Path(folder), FILE, APP, python=python, code=code), absent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.boundary.compare")
    parser.add_argument("old", type=Path, help="a checkout with a .venv")
    parser.add_argument("--all", action="store_true", help="what is new as well")
    given = parser.parse_args()
    old, python = given.old.resolve(), given.old.resolve() / ".venv" / "bin" / "python"
    before = {**static(old, python), **shown(old, python, NEW_COMMANDS)}
    now = {**static(ROOT, Path(sys.executable)), **shown(ROOT, Path(sys.executable), NEW_COMMANDS)}
    found = differences(before, now)
    additions = [line for line in found if line.endswith(" is new")]
    others = [line for line in found if line not in additions]
    print(*(found if given.all else others), sep="\n")
    print(f"{len(others)} gone or other, {len(additions)} new")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
