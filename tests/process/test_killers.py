"""Messages that kill their workers hold up nobody for long: who was ready and died of its work is back at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.process.following import Following
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """\
[fleet]
name = "killers"
app = "work"

[broker]
url = "{url}"

[queues."{queue}"]
workload = "io"

[[routes]]
task = "*"
queue = "{queue}"

[workers.w]
queues = ["{queue}"]
pool = "threads"
concurrency = 10
replicas = {replicas}
"""

TASKS = """
import os, signal, time
from pathlib import Path
from fleet import task

@task
def work(number):
    time.sleep(0.02)
    with Path(__file__).with_name("journal").open("a") as file:
        file.write(f"{number}\\n")

@task
def kill(number):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("name", "replicas"), [("sqlite", 1), ("redis", 3), ("amqp", 1), ("amqp", 3)])
def test_three_killers_among_sixty_do_not_stall_their_group(
    name: str, replicas: int, short_folder: Path, request: pytest.FixtureRequest
) -> None:
    journal = short_folder / "journal"

    def done() -> int:
        return len(journal.read_text().splitlines()) if journal.exists() else 0

    def buried() -> list[str]:
        found = json.loads(fleet.command("dead", "list", "--json").stdout)
        return [each["task"] for each in found["messages"]]

    for broker in make_broker(name, request, short_folder):
        text = FILE.format(url=broker.url, queue=broker.queue("k"), replicas=replicas)
        with Following(short_folder, text, TASKS) as fleet:
            fleet.settled(*(f"w/{at}" for at in range(replicas)), within=60)
            fleet.command("pause", "w")
            for at in range(3):
                fleet.command("send", "work.kill", str(at))
                fleet.command("send", "work.work", str(at), "--count", "20")
            fleet.command("resume", "w")
            # With a pause after each of their deaths this took minutes.
            eventually(lambda: done() >= 60, within=60, message=f"all sixty\n{fleet.events()[-3000:]}")
            eventually(lambda: len(buried()) == 3, within=60, message=fleet.events()[-3000:])
            assert buried() == ["work.kill"] * 3
            fleet.says("starts again at once")
