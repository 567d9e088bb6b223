"""What a node grants against what the export requests: the very numbers of the manifests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

FILE = """\
[fleet]
app = "shop.tasks"
[broker]
url = "redis://redis.internal/0"
[queues.images]
[queues.http]
[[routes]]
task = "shop.images.*"
queue = "images"
[[routes]]
task = "*"
queue = "http"
[workers.images]
queues = ["images"]
pool = "prefork"
concurrency = 4
max_memory = "512MiB"
[workers.http]
queues = ["http"]
pool = "gevent"
concurrency = 200
max_memory = "1GiB"
"""
# images: 4 CPUs and 128 + 4 * 512 * 1.25 = 2688 MiB; http: a quarter and 1 GiB


@pytest.mark.parametrize(
    ("cpus", "memory", "too_large"),
    [
        ("4", "2688MiB", []),
        ("3", "2688MiB", ["images: a worker requests 4 CPUs"]),
        ("4", "2687MiB", ["images: a worker requests 2688MiB"]),
        (
            "1",
            "1000MiB",
            ["images: a worker requests 4 CPUs", "images: a worker requests 2688MiB", "http: a worker"],
        ),
    ],
)
def test_a_worker_that_no_node_has_room_for_is_a_finding(
    tmp_path: Path, cpus: str, memory: str, too_large: list[str]
) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(FILE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fleet", "validate", str(file), "--format", "concise"),
            *("--cpus", "8", "--memory", "16GiB", "--node-cpus", cpus, "--node-memory", memory),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = [line.replace('"', "") for line in done.stdout.splitlines() if "FLT719" in line]
    assert len(found) == len(too_large), done.stdout + done.stderr
    assert all(words in line for words, line in zip(too_large, found, strict=True))
    assert done.returncode == (1 if too_large else 0), done.stdout
