"""The controller alone goes onto new code; every worker stays, and the work goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fleet import __version__
from tests.process.following import Following
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process


def test_a_new_controller_runs_new_code_beside_the_same_workers(short_folder: Path) -> None:
    installed = short_folder / "installed"
    shutil.copytree(ROOT / "fleet", installed / "fleet", ignore=shutil.ignore_patterns("__pycache__"))
    with Following(short_folder, env={"PYTHONPATH": str(installed)}) as fleet:
        before = fleet.settled("http/0", "http/1", "lone/0")
        controller = fleet.status()["controller"]
        assert controller["version"] == __version__

        package = installed / "fleet" / "__init__.py"
        package.write_text(package.read_text().replace(f'"{__version__}"', '"99.0.0"'))
        done = json.loads(fleet.command("restart", "--controller", "--json").stdout)
        assert done["controller"]["version"] == "99.0.0"
        assert done["controller"]["pid"] != controller["pid"]

        assert fleet.settled("http/0", "http/1", "lone/0") == before
        status = fleet.status()
        assert status["controller"]["version"] == "99.0.0"
        assert all(worker["restarts"] == 0 for group in status["groups"] for worker in group["workers"])
        fleet.edit("replicas = 2", "replicas = 3")
        after = fleet.settled("http/0", "http/1", "http/2", "lone/0")
        assert before.items() <= after.items(), "it is in charge of them"
        assert "the controller was restarted; the workers go on working" in fleet.tail(200)


def test_code_that_cannot_start_is_told_and_harms_no_worker(short_folder: Path) -> None:
    installed = short_folder / "installed"
    shutil.copytree(ROOT / "fleet", installed / "fleet", ignore=shutil.ignore_patterns("__pycache__"))
    with Following(short_folder, env={"PYTHONPATH": str(installed)}) as fleet:
        before = fleet.settled("http/0", "http/1", "lone/0")
        main = installed / "fleet" / "controller" / "__main__.py"
        good = main.read_text()
        main.write_text("raise SystemExit('half an upgrade')\n")
        done = fleet.command("restart", "--controller", check=False)
        assert done.returncode == 1
        assert "half an upgrade" in done.stderr
        main.write_text(good)
        fleet.command("restart", "--controller")
        eventually(lambda: fleet.settled("http/0", "http/1", "lone/0") == before, within=20)
