"""Findings about a URL that stands elsewhere: one of them is shown, the others are its notes."""

from __future__ import annotations

from pathlib import Path

from fleet.config.load import check
from fleet.config.source import from_bytes
from tests.validate.test_files import MACHINE

FILE = b"""[fleet]
app = "shop"
[broker]
url = "${BROKER_URL}"
[queues.q]
workload = "io"
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 4
"""


def test_what_is_wrong_with_several_urls_is_told_once() -> None:
    url = "redis://:a@a:0/1;amqp://shop:b@b:0/v"
    (found,) = check(
        from_bytes(FILE, Path("fleet.toml")), environ={"BROKER_URL": url}, machine=MACHINE
    ).diagnostics
    assert "two kinds" in found.message
    assert [note.partition(":")[0] for note in found.notes] == [
        "the broker's port is not between 1 and 65535"
    ]
