"""`beat_schedule` of a Celery app under `fleet up`: sent once, pausable, and followed by a rollout."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.process.following import Following
from tests.support import eventually

pytest.importorskip("celery")
pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "beat"
app = "work:app"

[queues.q]
[queues.other]

[workers.http]
queues = ["q", "other"]
pool = "solo"
"""
APP = """\
import os
from datetime import timedelta
from pathlib import Path
from celery import Celery, schedules

app = Celery("work", broker="memory://")
app.conf.task_default_queue = "q"
app.conf.task_routes = {"work.routed": {"queue": "other"}}

def note(what):
    with Path(__file__).with_name("noted").open("a") as file:
        file.write(what + "\\n")

@app.task(bind=True)
def tick(self, what):
    note(f"{what} {self.request.id} {self.request.delivery_info['routing_key']}")

@app.task(bind=True)
def routed(self):
    note(f"routed {self.request.id} {self.request.delivery_info['routing_key']}")

class Switch(schedules.schedule):
    '''Due when a file is there; beat asks again and again.'''

    def is_due(self, last_run_at):
        is_due = Path(__file__).with_name("switch").exists()
        return schedules.schedstate(is_due, 1)

ENTRIES = {}
app.conf.beat_schedule = ENTRIES
"""
ENTRIES = {
    "often": '{"task": "work.tick", "schedule": timedelta(milliseconds=500), "args": ("often",)}',
    "routed": '{"task": "work.routed", "schedule": 0.5}',
    "switch": '{"task": "work.tick", "schedule": Switch(1), "kwargs": {"what": "switch"}}',
    "nightly": '{"task": "work.tick", "schedule": schedules.crontab(3, 4), "args": ("nightly",)}',
}


def code(*names: str) -> str:
    entries = ", ".join(f"{name!r}: {ENTRIES[name]}" for name in names)
    return APP.replace("ENTRIES = {}", f"ENTRIES = {{{entries}}}")


def noted(fleet: Following, what: str) -> list[list[str]]:
    file = fleet.file.with_name("noted")
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if line[0] == what]


def listed(fleet: Following) -> dict[str, dict[str, Any]]:
    said = json.loads(fleet.command("schedule", "list", "--json").stdout)
    return {each["name"]: each for each in said["schedules"]}


def test_entries_run_once_and_a_rollout_brings_others(short_folder: Path) -> None:
    with Following(short_folder, FILE, code("often", "routed", "switch")) as fleet:
        eventually(lambda: len(noted(fleet, "often")) >= 3, within=60, message="entries")
        eventually(lambda: noted(fleet, "routed"), within=30)
        assert {line[2] for line in noted(fleet, "routed")} == {"other"}, "task_routes of the app decide"
        often = [line[1] for line in noted(fleet, "often")]
        assert len(often) == len(set(often))

        assert not noted(fleet, "switch")
        fleet.file.with_name("switch").touch()
        eventually(lambda: noted(fleet, "switch"), within=30, message="a custom schedule is asked again")
        fleet.file.with_name("switch").unlink()

        shown = listed(fleet)
        assert set(shown) == {"often", "routed", "switch"}
        assert shown["often"]["when"] == "every 500ms"
        assert len(shown["often"]["next"]) == 5
        assert shown["often"]["last"]["outcome"] in ("succeeded", "running")

        fleet.command("schedule", "pause", "often")
        assert listed(fleet)["often"]["paused"] is not None

        module = fleet.file.with_name("work.py")
        pid = fleet.status()["scheduler"]["pid"]
        module.write_text(code("often", "nightly"))
        assert fleet.command("restart", check=False).returncode == 0
        eventually(lambda: set(listed(fleet)) == {"often", "nightly"}, within=60, message="entries")
        assert fleet.status()["scheduler"]["pid"] == pid
        assert listed(fleet)["often"]["paused"] is not None, "what was remembered is"
        said = fleet.command("schedule", "run", "nightly", "--json").stdout
        eventually(
            lambda: [json.loads(said)["id"]] == [line[1] for line in noted(fleet, "nightly")], within=30
        )

        module.write_text("raise ValueError('half written')\n" + code("often"))
        fleet.command("restart", check=False)
        eventually(lambda: "can't be loaded, the old one stays" in scheduler_log(fleet), within=60)
        assert set(listed(fleet)) == {"often", "nightly"}

        module.write_text(code())
        fleet.command("restart", check=False)
        eventually(
            lambda: fleet.status()["scheduler"] is None, within=60, message="there is nothing to schedule"
        )


def scheduler_log(fleet: Following) -> str:
    return (fleet.file.parent / ".fleet" / "logs" / "scheduler.log").read_text()


OWN_CLASS = """\
import os, time
from pathlib import Path
from celery import Celery
from celery.beat import Scheduler

app = Celery("work", broker="memory://")
app.conf.beat_scheduler = "work:EverySecond"

class EverySecond(Scheduler):
    done = 0

    def tick(self, *args, **kwargs):
        now = int(time.time())
        if now != self.done:
            self.done = now
            self.apply_entry(self.Entry(name=str(now), task="work.tick", schedule=1.0, app=self.app))
        return 0.1

    def apply_async(self, entry, producer=None, advance=True, **kwargs):
        with Path(__file__).parent.with_name("sent").open("a") as file:
            file.write(f"{entry.name} {os.getpid()}\\n")

    @property
    def producer(self):
        return None
"""


def test_a_scheduler_class_sends_from_one_host_and_one_that_was_stopped_sends_nothing_again(
    short_folder: Path, redis_url: str
) -> None:
    """Two hosts, two state directories, one broker; the one that sends stands still for longer than its lease."""
    broker = Broker("redis", redis_url)
    text = FILE.replace('name = "beat"', f'name = "{broker.token}"')
    for name in ("q", "other"):
        text = text.replace(f"[queues.{name}]", f'[queues."{broker.queue(name)}"]')
        text = text.replace(f'"{name}"', f'"{broker.queue(name)}"')
    text += f'\n[broker]\nurl = "{redis_url}"\n'
    folders = [short_folder / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()

    def sent() -> list[tuple[str, int]]:
        """(occurrence, pid) of each."""
        file = short_folder / "sent"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    try:
        with Following(folders[0], text, OWN_CLASS), Following(folders[1], text, OWN_CLASS):
            eventually(lambda: len(sent()) >= 3, within=60, message="one host sends")
            first = sent()[-1][1]
            os.kill(first, signal.SIGSTOP)
            try:
                eventually(lambda: sent()[-1][1] != first, within=90, message="the other one takes over")
            finally:
                os.kill(first, signal.SIGCONT)
            count = len(sent())
            eventually(lambda: len(sent()) >= count + 4, within=60)
            occurrences = [name for name, _ in sent()]
            assert len(occurrences) == len(set(occurrences)), "doubled"
            assert all(pid != first for _, pid in sent()[count:]), "it knows that its turn is over"
            assert len({pid for _, pid in sent()}) == 2
    finally:
        broker.clean()
