"""`fleet send` beside a running fleet: the controller publishes, when it goes by the same file and answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.following import FILE, Following
from tests.support import eventually

pytestmark = pytest.mark.process

APP = """
import json, os
from fleet import task

@task
def note(*args, **kwargs):
    with open("noted.jsonl", "a") as out:
        out.write(json.dumps([args, kwargs, os.environ.get("FLEET_WORKER")]) + "\\n")
"""
# What a `send` has loaded that publishes itself.
DIRECT = {"fleet.config.model", "fleet.tasks.sending", "sqlite3"}
SCRIPT = """
import sys
from fleet.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    text = FILE.replace(
        "[queues.io]", '[broker]\nurl = "sqlite:///${BROKER_FILE:-.fleet/broker.db}"\n\n[queues.io]', 1
    )
    with Following(short_folder, text, app=APP) as running:
        yield running


def send(
    fleet: Following, *arguments: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """How it ended, and which modules it had loaded by then."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, "send", *arguments],
        cwd=fleet.folder,
        env={**fleet.environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said, _, modules = ran.stderr.rstrip("\n").rpartition("\n")
    ran.stderr = said
    return ran, set(modules.split())


def noted(fleet: Following) -> list[object]:
    file = fleet.folder / "noted.jsonl"
    return [json.loads(line)[:2] for line in file.read_text().splitlines()] if file.exists() else []


def test_the_controller_publishes_and_the_command_loads_nothing_for_it(fleet: Following) -> None:
    fleet.settled("http/0", "http/1", "lone/0")
    sent, loaded = send(fleet, "work.note", "1", "two", "--kwargs", '{"three": [4]}', "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["queue"] == "io"
    eventually(lambda: noted(fleet) == [[[1, "two"], {"three": [4]}]], message="it has arrived")
    assert "fleet.cli.running.send" in loaded
    assert not loaded & DIRECT
    assert not loaded & {"pydantic", "kombu", "asyncio", "ssl", "subprocess", "importlib.metadata", "logging"}

    late, loaded = send(fleet, "work.note", "--queue", "other", "--delay", "0.2s")
    assert (late.returncode, loaded & DIRECT) == (0, set())
    eventually(lambda: len(noted(fleet)) == 2, message="the one with a delay too")


def test_send_fails_as_it_would_without_a_fleet(fleet: Following) -> None:
    fleet.settled("http/0", "http/1", "lone/0")
    revision = fleet.status()["config"]["revision"]
    fleet.edit('task = "*"', 'task = "work.*"')
    eventually(lambda: fleet.status()["config"]["revision"] != revision, message="the edit is in force")
    wrong = (["nobody.takes"], ["work.note", "--queue", "nowhere"])
    handed_in = [send(fleet, *arguments) for arguments in wrong]
    # Whether the app is one of Celery's, whose router is asked for a task that no rule takes, stands in the file.
    assert [loaded & DIRECT for _, loaded in handed_in] == [{"fleet.config.model"}, set()]
    # In other words what is in force: not the same file, as far as the controller can tell.
    direct = [send(fleet, *arguments, BROKER_FILE=".fleet/broker.db") for arguments in wrong]
    assert all(loaded >= DIRECT - {"sqlite3"} for _, loaded in direct)
    for (one, _), (other, _) in zip(handed_in, direct, strict=True):
        assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
        assert one.returncode == 1


def test_who_means_another_broker_sends_there(fleet: Following) -> None:
    """A variable of the file that is another one in this shell than in that of `fleet up`."""
    fleet.settled("http/0", "http/1", "lone/0")
    elsewhere = fleet.folder / "elsewhere.db"
    sent, loaded = send(fleet, "work.note", "far", BROKER_FILE=str(elsewhere))
    assert sent.returncode == 0, sent.stderr
    assert loaded >= DIRECT
    assert elsewhere.exists()
    again, _ = send(fleet, "work.note", "near")
    assert again.returncode == 0
    eventually(lambda: noted(fleet) == [[["near"], {}]], message="only the one for this broker")


def test_send_goes_by_the_file_as_it_is_now(fleet: Following) -> None:
    """Also when the fleet has rejected that, and goes by an older one."""
    fleet.settled("http/0", "http/1", "lone/0")
    fleet.edit("concurrency = 3", 'concurrency = "three"')
    eventually(lambda: fleet.status()["config"]["rejected"], message="it is rejected")
    sent, _ = send(fleet, "work.note")
    assert sent.returncode == 78
    assert "three" in sent.stderr
    fleet.edit('concurrency = "three"', "concurrency = 3")
    eventually(lambda: fleet.status()["config"]["rejected"] is None, message="and is right again")
    mended, loaded = send(fleet, "work.note")
    assert (mended.returncode, loaded & DIRECT) == (0, set())


@pytest.mark.parametrize("signum", [signal.SIGSTOP, signal.SIGKILL])
def test_send_needs_no_controller(fleet: Following, signum: signal.Signals) -> None:
    fleet.settled("http/0", "http/1", "lone/0")
    pid = fleet.status()["controller"]["pid"]
    os.kill(pid, signum)
    sent, _ = send(fleet, "work.note", "alone")
    assert sent.returncode == 0, sent.stderr
    eventually(lambda: [["alone"], {}] in noted(fleet), message="it has arrived")
    if signum is signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
