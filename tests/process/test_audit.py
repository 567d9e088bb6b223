"""Who sent, retried and purged what, and when: in the event log, with and without a running fleet."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningFleet

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "audited"
app = "work"
state_dir = "state"

[broker]
url = "sqlite:///broker.db"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2
max_retries = 0
"""
WORK = """\
from fleet import task

@task
def boom(text):
    raise ValueError(text)
"""


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[RunningFleet]:
    (short_folder / "fleet.toml").write_text(FILE)
    (short_folder / "work.py").write_text(WORK)
    yield RunningFleet(short_folder)


def audit(fleet: RunningFleet) -> list[dict[str, Any]]:
    lines = (fleet.folder / "state" / "events.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["audit"]]
    assert all(entry["at"].startswith("2") for entry in entries)
    return [entry["audit"] for entry in entries]


def act(fleet: RunningFleet) -> None:
    fleet.command("send", "work.boom", "secret", "--json")
    fleet.command("send", "work.boom", "secret", "--count", "3")
    fleet.command("dead", "retry", "--all")
    fleet.command("dead", "purge", "--all", "--yes", "--queue", "q")


def check(found: list[dict[str, Any]]) -> None:
    own = pwd.getpwuid(os.getuid()).pw_name
    assert [each["verb"] for each in found] == ["send", "send", "dead-retry", "dead-purge"]
    assert {each["actor"] for each in found} == {own}
    assert len({each["pid"] for each in found} - {0, os.getpid()}) == 4, "of each command"
    one, three, _, purge = found
    assert (one["arguments"]["task"], one["arguments"]["queue"]) == ("work.boom", "q")
    assert len(one["arguments"]["ids"]) == 1
    assert (three["arguments"]["count"], len(three["arguments"]["ids"])) == (3, 3)
    assert purge["arguments"] == {"all": True, "queues": ["q"]}
    assert purge["outcome"].startswith("deleted ")
    assert "secret" not in json.dumps(found), "arguments of tasks are nobody's business"


def test_commands_on_dead_letters_are_noted_by_a_running_controller(fleet: RunningFleet) -> None:
    with fleet:
        act(fleet)
        check(audit(fleet))


def test_of_a_fleet_that_does_not_run(fleet: RunningFleet) -> None:
    act(fleet)
    check(audit(fleet))
    assert (fleet.folder / "state" / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_that_it_can_not_be_noted_is_said_and_the_message_is_sent(fleet: RunningFleet) -> None:
    (fleet.folder / "state" / "events.jsonl").mkdir(parents=True)
    sent = fleet.command("send", "work.boom", "x")
    assert "not noted" in sent.stderr
    assert sent.stdout.startswith("sent work.boom")
