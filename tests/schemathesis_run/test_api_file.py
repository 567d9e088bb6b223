"""Schemathesis against a real dashboard: whatever it asks is answered as docs/reference/openapi.json says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.brokers import free_port
from tests.celery_worker.environment import CantInstall, python
from tests.process.following import Following
from tests.process.test_page import APP, FILE, dead
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process

_SECONDS = 40
SCHEDULE = """
[[schedules]]
name = "tick"
task = "work.fine"
every = "10s"
"""
# Endless, and what locks the address out that all others are asked from: tests/unit/dashboard has them.
LEFT_OUT = ("/api/live", "/api/login")
# Whoever shows no token may look, on this machine; an unknown group is refused though its name fits the schema; of a
# parameter that is there twice the last counts; a POST that is no JSON is turned away before anybody looks where to.
NOT_CHECKED = "ignored_auth,positive_data_acceptance,negative_data_rejection,unsupported_method"


@pytest.fixture(scope="module")
def schemathesis() -> str:
    try:
        interpreter = python(Path(__file__).with_name("requirements.txt"), ROOT / ".schemathesis")
    except CantInstall as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"schemathesis can't be installed: {error}")
    return str(Path(interpreter).with_name("schemathesis"))


def test_every_answer_is_as_the_file_says(schemathesis: str, tmp_path: Path) -> None:
    port = free_port()
    with Following(tmp_path, FILE.replace("PORT", str(port)) + SCHEDULE, APP) as fleet:
        secret = fleet.command("dashboard", "token", "ann").stdout.split()[0]
        fleet.command("send", "work.failing", "no")
        eventually(lambda: dead(fleet) == 1, within=60, message="one is a dead letter")
        command = [
            *(schemathesis, "run", str(ROOT / "docs" / "reference" / "openapi.json")),
            *("--url", f"http://127.0.0.1:{port}", "--header", f"Authorization: Bearer {secret}"),
            *(word for path in LEFT_OUT for word in ("--exclude-path", path)),
            *("--phases", "fuzzing", "--max-time", str(_SECONDS), "--max-examples", "10", "--no-shrink"),
            *("--exclude-checks", NOT_CHECKED, "--continue-on-failure", "--request-timeout", "20"),
            *("--warnings", "off", "--no-color"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert fleet.status()["dashboard"]["restarts"] == 0
