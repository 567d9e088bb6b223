"""Alerts of a real fleet: a blocked queue is told once and its end once, over a kill of the controller."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fleet.cli.running.api_client import ApiClient
from tests.process.following import Following
from tests.process.test_controller_kills import kill_controller
from tests.support import eventually

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "shop"
app = "work"
[queues.io]
alert_wait = "1s"
[[routes]]
task = "*"
queue = "io"
[workers.w]
queues = ["io"]
pool = "threads"
concurrency = 1
[alerts]
webhook_file = "hook"
command = ["sh", "-c", "cat >> told.jsonl; echo >> told.jsonl"]
"""
APP = """
from fleet import task

@task
def work():
    pass
"""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


def test_a_blocked_queue_fires_once_and_resolves_once_over_a_kill_of_the_controller(
    short_folder: Path, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, got = hook
    (short_folder / "hook").write_text(f"{url}\nsecret\n")
    with Following(short_folder, FILE, APP) as fleet:
        fleet.settled("w/0", within=30)
        fleet.command("pause", "w")
        fleet.command("send", "work.work")
        eventually(lambda: got, within=40, message="it is told that the queue waits")
        kill_controller(fleet)
        api = ApiClient(fleet.state.api_socket)
        firing = eventually(lambda: api.get("/alerts")["firing"], within=20)
        assert [each["alert"] for each in firing] == ["queue_waits:io"]
        fleet.command("resume", "w")
        eventually(lambda: len(got) > 1, within=40, message="it is told that this is over")
        eventually(lambda: api.get("/alerts") == {"firing": [], "undelivered": 0}, within=20)
        assert [(each["alert"], each["state"]) for each in got] == [
            ("queue_waits:io", "firing"),
            ("queue_waits:io", "resolved"),
        ]
        told = [json.loads(line) for line in (short_folder / "told.jsonl").read_text().splitlines()]
        assert [each["id"] for each in told] == [each["id"] for each in got], "the command as well"
        assert url not in fleet.events()
        fleet.says("alert queue_waits:io resolved")
