"""Renewing from a real thread, as the worker's keepalive does, beside a loop that is a green thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import Broker
from tests.support import ROOT

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_neither_renewing_nor_settling_waits_for_ever(broker: Broker, pool: str) -> None:
    command = [sys.executable, "-m", "tests.integration.broker.renewing", pool, broker.url, broker.queue()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
