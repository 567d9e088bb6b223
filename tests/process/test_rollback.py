"""A revision whose new workers fail is taken back by itself, and stays so until the file changes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.process.following import FILE, Following
from tests.process.test_controller_kills import kill_controller
from tests.support import eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")
BROKEN = 'import sys\nprint("about to fail", flush=True)\nraise RuntimeError("no good")\n'


def revisions(fleet: Following) -> set[str]:
    return {worker["revision"] for worker in fleet.group("http")["workers"]}


def test_what_fails_is_taken_back_and_remembered(short_folder: Path) -> None:
    with Following(short_folder) as fleet:
        before = fleet.settled(*BOTH)
        old = revisions(fleet)
        (fleet.folder / "broken.py").write_text(BROKEN)
        fleet.edit('app = "work"', 'app = "broken"')
        done = fleet.command("reload", check=False)
        assert done.returncode == 1
        assert "rolled back" in done.stdout
        assert "no good" in done.stdout
        for group in ("http", "lone"):
            assert f"{group} goes on as it was" in done.stdout, "it waits for what becomes of each"
        assert fleet.settled(*BOTH) == before, "the old ones were never touched, the new ones are gone"
        status = fleet.status()
        assert status["state"] == "degraded"
        assert status["rollout"]["state"] == "rolled back"
        assert "no good" in status["rollout"]["reason"]
        fleet.says("rolled back: ")

        kill_controller(fleet)
        fleet.edit("replicas = 2", "replicas = 3")
        after = fleet.settled(*BOTH, "http/2")
        assert {name: after[name] for name in BOTH} == before
        os.kill(before["http/0"], signal.SIGKILL)
        eventually(lambda: fleet.by_pid().get("http/0", before["http/0"]) != before["http/0"])
        fleet.settled(*BOTH, "http/2")
        assert revisions(fleet) == old, "a restarted controller knows, and old ones are what is started"
        assert fleet.status()["rollout"]["state"] == "rolled back"

        fleet.file.write_text(FILE)
        eventually(lambda: fleet.status()["state"] == "healthy")
        assert fleet.status()["rollout"] is None
        assert fleet.settled(*BOTH)["http/1"] == before["http/1"]


def test_code_that_changes_is_rolled_out_and_broken_code_is_not(short_folder: Path) -> None:
    text = FILE.replace("[rollout]", '[rollout]\nwatch = ["*.py", "lib/**/*.py"]')
    with Following(short_folder, text) as fleet:
        before = fleet.settled(*BOTH)
        code = fleet.folder / "work.py"
        good = code.read_text()
        code.write_text(good)  # saved without a change
        (fleet.folder / "notes.txt").write_text("not code")
        code.write_text(f"{good}\nVERSION = 2\n")
        eventually(lambda: not set(fleet.by_pid().values()) & set(before.values()), within=20)
        second = fleet.settled(*BOTH)
        fleet.says("changed: work.py")
        code.write_text(BROKEN)
        fleet.says("no good")
        eventually(lambda: len(fleet.group("http")["workers"]) == 3)
        assert {name: fleet.by_pid()[name] for name in BOTH} == second, "the old ones go on"
        code.write_text(f"{good}\nVERSION = 3\n")
        eventually(lambda: not set(fleet.by_pid().values()) & set(second.values()), within=30)
        fleet.settled(*BOTH, within=30)
        assert fleet.events().count("changed: work.py") == 3, "and a save without a change is none"


def test_an_app_mended_outside_the_file_is_tried_again_by_reload(short_folder: Path) -> None:
    with Following(short_folder) as fleet:
        before = fleet.settled(*BOTH)
        (fleet.folder / "broken.py").write_text(BROKEN)
        fleet.edit('app = "work"', 'app = "broken"')
        eventually(lambda: (fleet.status()["rollout"] or {}).get("state") == "rolled back", within=20)
        (fleet.folder / "broken.py").write_text((fleet.folder / "work.py").read_text())
        assert "done" in fleet.command("reload").stdout
        after = fleet.settled(*BOTH)
        assert not set(after.values()) & set(before.values())
        assert fleet.status()["rollout"] is None
