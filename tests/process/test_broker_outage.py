"""The broker goes away under a running fleet: what runs goes on, the status says so, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import OwnRabbit, OwnRedis, OwnServer, rabbitmq_server, unavailable
from tests.process.following import FILE, Following
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

TASKS = """
import os, time
from fleet import task

@task(name="hold")
def hold(folder, name):
    open(f"{folder}/{name}.begun", "a").write("x")
    while not os.path.exists(f"{folder}/release"):
        time.sleep(0.05)
    open(f"{folder}/{name}.ended", "a").write("x")
"""


def server(name: str) -> OwnServer:
    import shutil

    if name == "redis":
        return OwnRedis() if shutil.which("redis-server") else unavailable("Redis")
    return OwnRabbit() if rabbitmq_server() else unavailable("RabbitMQ")


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_a_broker_that_goes_away_and_comes_back(short_folder: Path, name: str) -> None:
    broker = server(name)
    broker.start()
    try:
        text = FILE.replace("[queues.io]", f'[broker]\nurl = "{broker.url}"\nlease = "10m"\n\n[queues.io]')  # type: ignore[attr-defined]
        with Following(short_folder, text, app=TASKS) as fleet:
            pids = fleet.settled("http/0", "http/1", "lone/0")
            send(fleet, "first")
            eventually((short_folder / "first.begun").exists, message="it runs")

            broker.stop()
            eventually(lambda: fleet.status()["state"] == "degraded", within=30)
            eventually(
                lambda: all(
                    worker["broker_error"]
                    for group in fleet.status()["groups"]
                    for worker in group["workers"]
                ),
                within=30,
                message="every worker says that it has no broker",
            )
            (short_folder / "release").touch()
            eventually((short_folder / "first.ended").exists, message="what ran has gone on")

            broker.start()
            eventually(lambda: fleet.status()["state"] == "healthy", within=60)
            send(fleet, "second")
            eventually((short_folder / "second.ended").exists, within=30)
            assert fleet.by_pid() == pids, "nobody was restarted for it"
            if name == "redis":  # the lease outlives the connection: it has run once
                assert (short_folder / "first.begun").read_text() == "x"
    finally:
        broker.destroy()


def send(fleet: Following, name: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "fleet", "send", "hold", str(fleet.folder), name],
        cwd=fleet.folder,
        env=fleet.environment,
        check=True,
        capture_output=True,
    )
