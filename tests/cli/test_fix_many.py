"""More fixes than one run makes, and fixes that would do harm: what is left is told in words that hold."""

from __future__ import annotations

from pathlib import Path

from tests.cli.invoke import fleet

FILE = """
[fleet]
app = "tasks"
[queues.http]
workload = "io"
[[routes]]
task = "*"
queue = "http"
[workers.http]
queues = ["http"]
pool = "gevent"
concurrency = 200
"""


def test_who_allowed_guesses_is_not_told_to_allow_them(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    unreachable = "".join(f'[[routes]]\ntask = "shop.{n}.*"\nqueue = "http"\n' for n in range(60))
    file.write_text(FILE + unreachable)
    first = fleet("validate", file, "--fix", "--unsafe", "--format", "concise")
    assert "run it again for the next fixes" in first.out + first.err
    assert "--unsafe" not in first.out + first.err
    again = fleet("validate", file, "--fix", "--unsafe", "--format", "concise")
    assert "0 left" in again.out + again.err
