"""A RabbitMQ that refuses, as `fleet status` tells it: a queue with other settings, full queues, dead letters held."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.brokers import OwnRabbit
from tests.integration.broker.test_alarm import set_alarm
from tests.running import RunningFleet
from tests.support import eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """
[fleet]
app = "tasks"

[broker]
url = "{url}"

[queues.q]
workload = "io"
dead_letter = "graves"
{queue}

[queues.graves]
arguments = {{ x-queue-type = "quorum", x-max-length = 1, x-overflow = "reject-publish" }}

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2
max_retries = 0
grace_period = "2s"
"""
TASKS = """
from fleet import task

@task(name="fail")
def fail():
    raise ValueError("no luck")
"""


@pytest.fixture
def url(amqp_url: str) -> Iterator[str]:
    name = unique("refuses")
    for command in (["add_vhost", name], ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]):
        subprocess.run(["rabbitmqctl", "--silent", *command], check=True)
    yield amqp_url.removesuffix("//") + f"/{name}"
    subprocess.run(["rabbitmqctl", "--silent", "delete_vhost", name], check=True)


def write(folder: Path, url: str, queue: str = "") -> None:
    (folder / "fleet.toml").write_text(FILE.format(url=url, queue=queue))
    (folder / "tasks.py").write_text(TASKS)


def declare(url: str, name: str, arguments: dict[str, Any]) -> int:
    """How many messages it has."""
    with kombu.Connection(url) as client:
        declared = client.default_channel.queue_declare(
            name, durable=True, auto_delete=False, arguments=arguments
        )
        return int(declared.message_count)


def test_a_worker_that_has_never_connected_says_why(short_folder: Path, url: str) -> None:
    declare(url, "q", {"x-max-priority": 5})
    write(short_folder, url)
    with RunningFleet(short_folder, healthy=False) as fleet:

        def reason() -> str:
            workers = [worker for group in fleet.status()["groups"] for worker in group["workers"]]
            return " ".join(str(worker["broker_error"] or "") for worker in workers)

        eventually(lambda: "queue 'q' exists with another x-max-priority" in reason(), within=60)
        text = fleet.command("status", check=False)
        assert text.returncode == 1
        assert "w/0 can't use the broker" in text.stdout
        assert "x-max-priority" in text.stdout


def test_what_can_not_be_handed_on_is_told_and_follows_when_there_is_room(
    short_folder: Path, url: str
) -> None:
    write(short_folder, url)
    graves = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    with RunningFleet(short_folder) as fleet:
        for _ in range(6):
            fleet.command("send", "fail")
        eventually(lambda: refusing(fleet), within=60)
        eventually(lambda: declare(url, "graves", graves) >= 1, 30, "made as fleet.toml says, or this fails")
        text = fleet.command("status", check=False).stdout
        assert "w/0 can't hand on messages" in text
        assert "'graves'" in text

        def is_told() -> bool:
            """The numbers of queues are those of a moment ago: by then nothing was dead yet."""
            status = fleet.status()
            assert status["state"] == "degraded"
            assert any("queue graves is full" in reason for reason in status["reasons"]), status["reasons"]
            return True

        eventually(is_told, 30)

        taken = 0

        def all_arrive() -> bool:
            nonlocal taken
            with kombu.Connection(url) as client:
                taken += client.default_channel.queue_purge("graves")
            return taken >= 6

        eventually(all_arrive, within=90)
        assert taken == 6


def refusing(fleet: RunningFleet) -> bool:
    [worker] = fleet.group("w")["workers"]
    return "refused a message" in str(worker["refused"] or "")


def test_an_alarm_of_the_broker_is_told_by_every_command(short_folder: Path, own_rabbit: OwnRabbit) -> None:
    write(short_folder, own_rabbit.url)
    with RunningFleet(short_folder) as fleet:
        set_alarm(own_rabbit, True)
        status = eventually(lambda: _degraded(fleet), within=60)
        assert "low on memory" in status["broker"]["alarm"]
        assert status["broker"]["error"] is None
        assert "low on memory" in fleet.command("status", check=False).stdout
        sent = fleet.command("send", "fail", check=False)
        assert sent.returncode == 1
        assert "low on memory" in sent.stderr
        found = fleet.command("validate", "--connect", "--format", "concise", check=False)
        assert "low on memory" in found.stdout
        set_alarm(own_rabbit, False)
        eventually(lambda: fleet.status()["state"] == "healthy", within=60)


def _degraded(fleet: RunningFleet) -> dict[str, Any]:
    status = fleet.status()
    return status if status["broker"]["alarm"] else {}
