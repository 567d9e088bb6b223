"""scale, drain, pause, resume and restart of a running fleet: at once, remembered, and noted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.following import FILE, Following
from tests.process.test_controller_kills import kill_controller
from tests.support import eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")
MIXED = FILE.replace('queues = ["io"]', 'queues = ["io", "other"]')


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    with Following(short_folder, MIXED) as running:
        yield running


def audit(fleet: Following) -> list[dict[str, Any]]:
    lines = fleet.state.events.read_text().splitlines()
    return [entry["audit"] for entry in map(json.loads, lines) if entry["audit"]]


def ready(fleet: Following, queue: str) -> int:
    found = {each["name"]: each["ready"] for each in fleet.status()["queues"]}
    return int(found[queue] or 0)


def test_scale_holds_over_a_restart_of_the_controller_and_until_its_end(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    revision = fleet.status()["config"]["revision"]
    done = fleet.command("scale", "http=3", "--reason", "a campaign")
    assert "3 workers" in done.stdout
    more = fleet.settled(*BOTH, "http/2")
    assert {name: more[name] for name in BOTH} == before
    override = fleet.group("http")["override"]
    assert (override["verb"], override["replicas"], override["reason"]) == ("scale", 3, "a campaign")
    assert override["until"] is None
    assert fleet.status()["config"]["revision"] == revision, "the file is the same"
    shown = fleet.command("status").stdout
    assert "http has 3 workers" in shown
    assert "a campaign" in shown

    kill_controller(fleet)
    assert fleet.settled(*BOTH, "http/2") == more
    assert fleet.group("http")["override"] == override

    fleet.command("scale", "http=1", "--for", "1s")
    fleet.says("scale http by")
    assert fleet.settled(*BOTH)["http/0"] == before["http/0"]
    assert fleet.group("http")["override"] is None
    assert fleet.status()["state"] == "healthy"

    refused = fleet.command("scale", "htp=1", check=False)
    assert refused.returncode == 1
    assert "there is no worker group 'htp'" in refused.stderr
    said = [(each["verb"], each["arguments"].get("replicas")) for each in audit(fleet)]
    assert said == [("scale", 3), ("scale", 1), ("scale", 1)]
    assert {each["actor"] for each in audit(fleet)} == {override["actor"]}
    assert "refused" in audit(fleet)[-1]["outcome"]
    assert fleet.state.events.stat().st_mode & 0o777 == 0o600


def test_drain_empties_a_group_until_it_is_resumed(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.command("drain", "http")
    assert fleet.settled("lone/0") == {"lone/0": before["lone/0"]}
    assert fleet.status()["state"] == "healthy"
    fleet.command("resume", "http")
    after = fleet.settled(*BOTH)
    assert after["lone/0"] == before["lone/0"]

    for command in (("reload",), ("restart", "--controller"), ("down",)):
        fleet.command(*command)
    said = [(each["verb"], each["outcome"]) for each in audit(fleet)]
    assert [verb for verb, _ in said] == ["drain", "resume", "reload", "restart-controller", "down"]
    assert said[-1] == ("down", "everything drains and stops")


def test_a_paused_queue_is_left_alone_by_all_also_by_those_who_come_later(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.command("pause", "--queue", "io")
    eventually(lambda: [w["paused_queues"] for w in fleet.group("http")["workers"]] == [["io"]] * 2)
    fleet.command("send", "work.wait", '"x"', "--queue", "io")
    fleet.command("send", "work.wait", '"y"', "--queue", "other")
    eventually(lambda: ready(fleet, "other") == 0 and ready(fleet, "io") == 1, message="only io waits")
    assert fleet.group("http")["paused"] is False

    kill_controller(fleet)
    os.kill(before["http/0"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("http/0", before["http/0"]) != before["http/0"])
    fleet.command("scale", "http=3")
    fleet.settled(*BOTH, "http/2")
    assert ready(fleet, "io") == 1, "neither a restarted nor a new worker takes it"
    fleet.command("resume", "--queue", "io")
    eventually(lambda: ready(fleet, "io") == 0, message="taken after all")


def test_restart_replaces_one_or_all_and_never_what_works_by_what_does_not(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    done = fleet.command("restart", "http/1")
    assert done.stdout.startswith("done")
    one = fleet.settled(*BOTH)
    assert {name for name in BOTH if one[name] != before[name]} == {"http/1"}
    fleet.command("restart", "http")
    all_of_http = fleet.settled(*BOTH)
    assert {name for name in BOTH if all_of_http[name] != one[name]} == {"http/0", "http/1"}
    (fleet.folder / "work.py").write_text("raise RuntimeError('no good')\n")
    failed = fleet.command("restart", "lone", check=False)
    assert failed.returncode == 1
    assert "no good" in failed.stdout
    assert fleet.by_pid()["lone/0"] == before["lone/0"]
    unknown = fleet.command("restart", "lone/7", check=False)
    assert unknown.returncode == 1
    assert "there is no worker lone/7" in unknown.stderr


STRANGER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
try:
    connection.sendall(b"GET /status HTTP/1.0\\r\\n\\r\\n")
    answer = connection.recv(100)
except ConnectionError:
    answer = b""
sys.exit(1 if answer else 0)
"""


def test_others_are_turned_away_even_if_the_folder_is_open_to_them(fleet: Following) -> None:
    status = fleet.status()
    for each in ("supervisor", "controller"):
        open_ports = psutil.Process(status[each]["pid"]).net_connections("inet")
        assert not open_ports, "nobody can come over the network"
    socket = fleet.state.api_socket
    assert (socket.parent.stat().st_mode & 0o777, socket.stat().st_mode & 0o777) == (0o700, 0o600)
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    for path in (fleet.folder, fleet.state.root, socket.parent, socket):
        path.chmod(0o777)
    base = [getattr(sys, "_base_executable", sys.executable), "-I", "-S", "-c", STRANGER, str(socket)]
    assert subprocess.run(base, check=False, timeout=30).returncode == 0
    assert fleet.status()["state"] == "healthy"
