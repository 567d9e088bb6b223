"""Schedules of running fleets: kill -9 of each part, two hosts on one broker, edits."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.schedules.due import run_id
from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.support import eventually, unique

pytestmark = pytest.mark.process

PERIOD = 250  # milliseconds
FILE = """\
[fleet]
name = "{name}"
app = "work"
{broker}
[queues."{queue}"]
[queues."{held}"]   # fleet: ignore[FLT102] the test counts what lies there

[[routes]]
task = "*"
queue = "{queue}"

[workers.http]
queues = ["{queue}"]
pool = "solo"
max_retries = 0
"""
TICK = """
[[schedules]]
name = "tick"
task = "work.tick"
every = "{period}ms"   # fleet: ignore[FLT807] this is a test
catch_up = "all"
queue = "{held}"   # fleet: ignore[FLT804] see above
"""
APP = """
import time

from fleet import task

@task
def tick():
    pass

@task
def slow():
    time.sleep(1.5)

@task
def bad():
    raise ValueError("no")
"""


def file(broker: Broker | None = None, schedules: str = "") -> str:
    name, queue, held, url = unique("sch"), "q", "held", ""
    if broker is not None:
        name, queue, held = broker.token, broker.queue("q"), broker.queue("held")
        url = f'\n[broker]\nurl = "{broker.url}"\n'
    tables = FILE.format(name=name, queue=queue, held=held, broker=url)
    return tables + schedules.format(period=PERIOD, held=held)


def scheduler(fleet: Following) -> dict[str, Any]:
    found = fleet.status().get("scheduler")
    assert found is not None, "no scheduler yet"
    return dict(found)


def schedule(fleet: Following, name: str) -> dict[str, Any]:
    found = [each for each in fleet.status().get("schedules", ()) if each["name"] == name]
    assert found, f"no schedule {name} yet"
    return dict(found[0])


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)


def kill_scheduler(fleet: Following) -> int:
    """The one that lives: the status may still tell of one that was killed just now."""

    def killed() -> int:
        pid = scheduler(fleet)["pid"]
        assert pid, "there is none at the moment"
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError as error:
            raise AssertionError(f"{pid} is dead already") from error
        return int(pid)

    return eventually(killed, within=60)


def goes_on(fleet: Following, *, runs: int = 3) -> None:
    """It sends again, after whatever has happened to it."""

    def last() -> str:
        said = schedule(fleet, "tick")["last"]
        assert said is not None
        return str(said["moment"])

    seen = {eventually(last, within=30)}
    eventually(lambda: len(seen.add(last()) or seen) > runs, within=30, message="more runs")  # type: ignore[func-returns-value]


def sent(broker: Broker | None, folder: Path) -> list[tuple[str, int]]:
    """(id, moment) of all runs that wait."""
    if broker is not None and broker.name == "amqp":
        import kombu

        found = []
        with kombu.Connection(broker.url) as connection:
            while (
                message := connection.default_channel.basic_get(broker.queue("held"), no_ack=True)
            ) is not None:
                found.append(message.headers)
    else:
        from fleet.broker.open import open_store
        from fleet.spec import BrokerSpec

        url = broker.url if broker is not None else f"sqlite:///{folder}/.fleet/broker.db"
        store = open_store(BrokerSpec(url))
        found = [
            claim.message.headers
            for claim in store.browse(broker.queue("held") if broker else "held", 100_000)
        ]
        store.close()
    return [(headers["id"], json.loads(headers["x-fleet-schedule"])["moment"]) for headers in found]


def assert_each_once(fleet: str, runs: list[tuple[str, int]], *, never_doubled: bool = True) -> None:
    moments = [moment for _, moment in runs]
    wanted = list(range(min(moments), max(moments) + 1, PERIOD))
    assert set(moments) == set(wanted), f"forgotten: {sorted(set(wanted) - set(moments))}"
    assert all(ident == run_id(fleet, "tick", moment) for ident, moment in runs)
    if never_doubled:
        assert len(moments) == len(wanted), "doubled"


def test_kill_9_of_scheduler_controller_and_fleet_up(short_folder: Path) -> None:
    with Following(short_folder, file(schedules=TICK), APP) as fleet:
        name = fleet.status()["fleet"]
        goes_on(fleet)
        for _ in range(3):
            pid = kill_scheduler(fleet)
            eventually(lambda pid=pid: scheduler(fleet)["pid"] not in (None, pid), within=30)
            goes_on(fleet, runs=1)
        kill(fleet.status()["controller"]["pid"])
        goes_on(fleet)
        kill(fleet.status()["supervisor"]["pid"])
        fleet.assert_nothing_left()
        fleet.start()
        goes_on(fleet)
    assert_each_once(name, sent(None, short_folder))


@pytest.fixture(params=["redis", "amqp"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


def test_two_hosts_one_of_which_dies_again_and_again(broker: Broker, short_folder: Path) -> None:
    """Two fleets of the same name and file, in folders of their own, on one broker."""
    folders = [short_folder / name for name in ("one", "two")]
    text = file(broker, TICK)
    for folder in folders:
        folder.mkdir()
    with Following(folders[0], text, APP) as one, Following(folders[1], text, APP) as two:
        eventually(lambda: any(scheduler(each)["leads"] for each in (one, two)), within=30)
        for victim in (one, two, one):
            kill_scheduler(victim)
            eventually(lambda: any(scheduler(each)["leads"] for each in (one, two)), within=30)
        kill(one.status()["supervisor"]["pid"])
        one.assert_nothing_left()
        eventually(lambda: scheduler(two)["leads"], within=30, message="the other host has the schedules")
        goes_on(two)
        one.start()
        eventually(lambda: scheduler(one)["pid"], within=30)
        if broker.name == "amqp":  # one of them at a time
            eventually(
                lambda: not scheduler(one)["leads"],
                within=30,
                message="what it wrote before its kill is past",
            )
            assert "another host's scheduler sends them" in one.command("schedule", "list").stderr
        kill_scheduler(two)
        eventually(lambda: any(scheduler(each)["leads"] for each in (one, two)), within=30)
    assert_each_once(broker.token, sent(broker, short_folder), never_doubled=broker.name == "redis")


def test_the_scheduler_comes_and_goes_with_the_schedules_and_follows_edits(short_folder: Path) -> None:
    with Following(short_folder, file(), APP) as fleet:
        fleet.settled("http/0")
        assert fleet.status()["scheduler"] is None
        text = fleet.file.read_text()
        fleet.file.write_text(text + TICK.format(period=PERIOD, held="held"))
        goes_on(fleet)
        pid = scheduler(fleet)["pid"]
        fleet.file.write_text(text + TICK.format(period=400, held="held"))
        eventually(lambda: schedule(fleet, "tick")["when"] == "every 400ms", within=20)
        last = schedule(fleet, "tick")["last"]
        assert last is not None, "the last run is not forgotten"
        goes_on(fleet)
        assert scheduler(fleet)["pid"] == pid, "the process stays"
        fleet.file.write_text(text)
        eventually(lambda: fleet.status()["scheduler"] is None, within=20, message="it goes")
        assert fleet.status()["state"] == "healthy"


def test_outcomes_skips_pauses_and_a_run_by_hand(short_folder: Path) -> None:
    schedules = """
[[schedules]]
name = "slow"
task = "work.slow"
every = "500ms"   # fleet: ignore[FLT807] this is a test
overlap = "skip"

[[schedules]]
name = "bad"
task = "work.bad"
cron = "0 0 1 1 *"
"""
    with Following(short_folder, file() + schedules, APP) as fleet:

        def succeeded() -> bool:
            said = schedule(fleet, "slow")
            return bool(said["succeeded_at"]) and said["skipped"] > 0

        eventually(succeeded, within=30, message="a run has ended, and others were left out")
        done = fleet.command("schedule", "run", "bad")
        assert "sent work.bad to q" in done.stdout
        eventually(lambda: fleet.group("http")["workers"][0]["failed"] == 1, within=30)
        assert schedule(fleet, "bad")["last"] is None, "a run by hand is none of the clock's"
        paused = fleet.command("schedule", "pause", "slow", "--reason", "stocktaking")
        assert paused.stdout.strip() == "slow is paused"
        assert schedule(fleet, "slow")["paused"]["reason"] == "stocktaking"
        before = schedule(fleet, "slow")["last"]["id"]
        shown = fleet.command("schedule", "list").stdout
        assert "stocktaking" in shown
        assert "paused" in shown
        assert fleet.command("schedule", "resume", "slow").stdout.strip() == "slow goes on"
        eventually(lambda: schedule(fleet, "slow")["last"]["id"] != before, within=30)
        unknown = fleet.command("schedule", "run", "nightly", check=False)
        assert unknown.returncode == 1
        assert "there is no schedule 'nightly'; there are: slow, bad" in unknown.stderr
