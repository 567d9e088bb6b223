"""The story of examples/rabbitmq: an edit under load; every message done once, bystanders untouched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningFleet
from tests.support import ROOT, eventually, unique

MESSAGES = {"render_invoice": 1000, "call_webhook": 1000, "book": 1000}
SEND = """
import sys
from orders import tasks
for number in range(int(sys.argv[2])):
    getattr(tasks, sys.argv[1]).send(number)
"""


@pytest.fixture
def vhost(amqp_url: str) -> Iterator[str]:
    """A vhost of the test's own on the machine's RabbitMQ."""
    name = unique("show")
    for command in (["add_vhost", name], ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]):
        subprocess.run(["rabbitmqctl", "--silent", *command], check=True)
    yield amqp_url.removesuffix("//") + f"/{name}"
    subprocess.run(["rabbitmqctl", "--silent", "delete_vhost", name], check=True)


@pytest.mark.process
@pytest.mark.broker
def test_an_edit_under_load_loses_and_repeats_nothing(vhost: str, short_folder: Path) -> None:
    folder = short_folder / "orders"
    shutil.copytree(ROOT / "examples" / "rabbitmq", folder)
    journal = folder / "journal.txt"
    with (folder / "fleet.toml").open("a") as file:
        file.write("\n[machine]\ncpus = 8\n")  # this one may have too few for the edit to be accepted
    env = {"BROKER_URL": vhost, "ORDERS_JOURNAL": str(journal)}

    with RunningFleet(folder, env=env) as fleet:
        before = {name: fleet.pids(name) for name in ("invoices", "webhooks", "ledger")}
        for task, count in MESSAGES.items():
            subprocess.run(
                [sys.executable, "-c", SEND, task, str(count)],
                cwd=folder,
                env={**os.environ, **env, "PYTHONPATH": f"{ROOT}:{folder}"},
                check=True,
            )
        eventually(lambda: len(lines(journal)) > 50, within=30, message="work has begun")

        text = fleet.file.read_text()
        text = text.replace("concurrency = 100", "concurrency = 50")
        text = text.replace('pool = "prefork"', 'pool = "prefork"\nreplicas = 2')
        fleet.file.write_text(text)

        eventually(lambda: len(fleet.pids("invoices")) == 2, within=30, message="a replica more")
        eventually(
            lambda: {w["concurrency"] for w in fleet.group("webhooks")["workers"]} == {50},
            within=30,
            message="webhooks resized",
        )
        eventually(lambda: len(lines(journal)) >= sum(MESSAGES.values()), within=90, message="all done")
        eventually(lambda: settled(fleet), within=30, message="all acknowledged")

        assert before["invoices"] < fleet.pids("invoices"), "the old replica stays"
        assert fleet.pids("ledger") == before["ledger"], "the untouched group keeps its process"
        assert fleet.group("webhooks")["concurrency"] == 50
        assert fleet.pids("webhooks") == before["webhooks"], "a new size needs no new worker"

    done = Counter(tuple(line.split()[:2]) for line in lines(journal))
    assert len(done) == sum(MESSAGES.values())
    assert set(done.values()) == {1}, [entry for entry, times in done.items() if times > 1]


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def settled(fleet: RunningFleet) -> bool:
    return all(queue["ready"] == 0 and not queue["unacked"] for queue in fleet.status()["queues"])
