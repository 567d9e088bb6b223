"""What the tests of `fleet export` share: a fleet that uses much, and the export of a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from fleet.cli import root

EVERYTHING = """\
[fleet]
name = "Big_Shop"
app = ["shop.tasks"]
env_file = ".env"

[broker]
url = "${BROKER_URL}"

[queues.http]
workload = "io"

[queues.images]
workload = "cpu"
max_priority = 5

[[routes]]
task = "shop.images.*"
queue = "images"

[[routes]]
task = "*"
queue = "http"

[workers.http]
queues = ["http"]
pool = "gevent"
concurrency = 200
replicas = { min = 1, max = 8, target_latency = "20s" }
max_memory = "512MiB"
env = { REGION = "eu: west", API_TOKEN = "${API_TOKEN}", LEVEL = "${LEVEL:-info}" }

[workers.images]
queues = ["images"]
pool = "prefork"
concurrency = 4
replicas = 3
max_memory = "300MiB"
max_tasks = 1000
grace_period = "90s"
user = "1000"

[workers.Ticker_1]
queues = ["http"]
pool = "solo"
singleton = true
max_memory = "100MiB"

[rollout]
max_surge = 2
max_unavailable = 1
min_ready = "5s"
progress_deadline = "3m"
"""


def export(
    folder: Path, target: str, text: str, *arguments: str, env: Mapping[str, str] | None = None
) -> Result:
    """Of a file with that text, into folder/out."""
    folder.mkdir(exist_ok=True)
    (folder / "fleet.toml").write_text(text)
    command = ["export", target, "-f", str(folder / "fleet.toml"), "-o", str(folder / "out"), *arguments]
    return CliRunner().invoke(root, command, env=dict(env or {}), standalone_mode=False)


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((folder / "out").iterdir())}
