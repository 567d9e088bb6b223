"""What may be forked. The forks themselves: tests/process/test_preload.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="zygotes are for Linux")


def unfit_after(code: str) -> str | None:
    """What a process says of itself that has run `code` (pytest's own has threads)."""
    end = "import json; from fleet.worker.zygote import unfit; print(json.dumps(unfit()))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{end}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: str | None = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
@pytest.mark.parametrize("broker", ["redis", "amqp", "sqlite", "memory"])
def test_what_fleet_imports_ahead_is_fit_to_be_forked(pool: str, broker: str) -> None:
    code = (
        "from fleet.worker.zygote import import_ahead; from fleet.launch_specs import Preload\n"
        f"import_ahead(Preload({pool!r}, {broker!r}, (), ()))"
    )
    assert unfit_after(code) is None


def test_an_app_that_started_a_thread_is_unfit_to_be_forked() -> None:
    started = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert unfit_after(started) == "importing the app has started 1 thread"


def test_an_app_that_opened_a_connection_is_unfit_to_be_forked() -> None:
    assert (
        unfit_after("import socket; kept = socket.socketpair()")
        == "importing the app has opened a connection"
    )


def test_an_app_that_opened_a_file_is_fit_to_be_forked() -> None:
    assert unfit_after("kept = open('/dev/null')") is None
