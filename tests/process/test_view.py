"""`fleet view` beside real workers: more messages give a larger number, and none the smallest again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.conftest import forget_redis_keys
from tests.process.test_standalone_worker import Pod, pod
from tests.support import eventually

pytestmark = pytest.mark.process


@pytest.fixture
def there(short_folder: Path, redis_url: str) -> Iterator[Pod]:
    made = pod(short_folder, redis_url)
    path = short_folder / "fleet.toml"
    path.write_text(path.read_text() + 'replicas = { min = 1, max = 6, target_latency = "1s" }\n')
    yield made
    forget_redis_keys(redis_url, f"pod-{short_folder.name}")


@contextmanager
def view(there: Pod) -> Iterator[int]:
    port = free_port()
    command = there.command("view", "--listen", f"127.0.0.1:{port}", "--workers", f"w=127.0.0.1:{there.port}")
    process = subprocess.Popen(command, cwd=there.folder, env=there.environment)
    try:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def asked(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/groups/w", timeout=5) as reply:
            found: dict[str, Any] = json.loads(reply.read())
            return found
    except OSError as error:
        raise AssertionError(error) from error


def test_the_number_follows_the_load(there: Pod) -> None:
    with there.worker(), view(there) as port:
        there.until_ready()
        eventually(lambda: asked(port)["desired"] == 1 and asked(port)["workers"] == 1, within=20)
        there.send("tasks.nap", "x", "0.4", "--count", "40")
        eventually(lambda: asked(port)["desired"] > 1, within=20, message="more are needed")
        eventually(lambda: asked(port)["desired"] == 1, within=60, message="and then no more")


def test_a_file_in_which_nothing_scales_is_refused(short_folder: Path, redis_url: str) -> None:
    made = pod(short_folder, redis_url)
    command = [sys.executable, "-m", "fleet", "view"]
    ran = subprocess.run(
        command, cwd=made.folder, env=made.environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 78
    assert "no worker group scales" in ran.stderr
