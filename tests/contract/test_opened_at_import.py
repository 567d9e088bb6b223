"""prefork: what importing the app opens is not shared by the pool processes, or somebody has said that it may be."""

from __future__ import annotations

import os
import signal
import socketserver
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

APP = "tests.contract.connecting_app"


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[int]:
    """Its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def mailbox(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Mailbox]:
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        yield mailbox
        mailbox.close()


@pytest.fixture
def worker(short_folder: Path, mailbox: Mailbox) -> Iterator[Worker]:
    worker = Worker(short_folder, mailbox, "prefork", {"app": (APP,)})
    yield worker
    worker.stop()


def test_each_process_has_a_connection_of_its_own_and_the_log_says_why(worker: Worker, echo: int) -> None:
    worker.environment["OPENED"] = f"connection:{echo}"
    worker.start()
    key = uuid.uuid4().hex
    for _ in range(30):
        worker.mailbox.send(f"{APP}.ask", key, 200)
    asked = worker.wrote(key, 30)
    assert [line["wrong"] for line in asked] == [0] * 30
    assert len({line["pid"] for line in asked}) > 1
    assert f"importing the app opened a connection to 127.0.0.1:{echo} (" in worker.log()
    assert "connecting_app.py, line 16): pool processes would share it" in worker.log()


def test_with_refuse_the_worker_says_what_was_opened_and_does_not_start(worker: Worker, echo: int) -> None:
    worker.environment["OPENED"] = f"connection:{echo}"
    worker.settings["opened_at_import"] = "refuse"
    worker.start(ready=False)
    assert worker.wait() == 3
    assert f"opened a connection to 127.0.0.1:{echo}" in worker.log()
    assert "connecting_app.py, line 16" in worker.log()


def test_with_share_the_app_is_imported_once_and_nothing_is_said(worker: Worker, echo: int) -> None:
    worker.environment["OPENED"] = f"connection:{echo}"
    worker.settings["opened_at_import"] = "share"
    worker.start()
    assert "importing the app" not in worker.log()


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        ("thread", "opened a thread"),
        ("loop", "a pair of sockets, as an event loop has"),
        ("database", "the SQLite database "),
    ],
)
def test_whatever_forks_would_share_is_told(worker: Worker, opened: str, told: str) -> None:
    if opened == "database":
        opened += f":{worker.folder / 'things.db'}"
    worker.environment["OPENED"] = opened
    worker.start()
    key = uuid.uuid4().hex
    worker.mailbox.send(f"{APP}.note", key)
    worker.wrote(key)
    assert told in worker.log()


@pytest.mark.parametrize("opened", ["", "closed"])
def test_an_import_that_leaves_nothing_open_is_done_once(worker: Worker, echo: int, opened: str) -> None:
    worker.environment |= {"OPENED": opened, "PORT": str(echo)}
    worker.start()
    assert "importing the app" not in worker.log()


def test_a_process_that_dies_is_replaced_by_one_that_imports_by_itself(worker: Worker, echo: int) -> None:
    worker.environment["OPENED"] = f"connection:{echo}"
    worker.start()
    before = set(worker.note_children())
    key = uuid.uuid4().hex
    worker.mailbox.send("tests.contract.connecting_app.ask", key, 1)
    (asked,) = worker.wrote(key)
    os.kill(asked["pid"], signal.SIGKILL)
    eventually(lambda: worker.note_children() - before, within=30, message="another process")
    again = uuid.uuid4().hex
    for _ in range(20):
        worker.mailbox.send(f"{APP}.ask", again, 100)
    assert {line["wrong"] for line in worker.wrote(again, 20)} == {0}
