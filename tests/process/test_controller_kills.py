"""kill -9 of each part of a running fleet, and what the others make of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.controller.api.status import CRASH_LIMIT
from tests.process.following import FILE, Following
from tests.support import eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")
# Long enough that a controller killed during a rollout is back before the rollout's next step.
PATIENT = FILE.replace('min_ready = "200ms"', 'min_ready = "3s"')


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    with Following(short_folder) as running:
        yield running


def kill_controller(fleet: Following) -> int:
    """Kill it, and wait until another one answers; returns the new one's pid."""
    pid = fleet.status()["controller"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def back() -> int | None:
        status = fleet.status()
        other = status["controller"]["pid"] not in (None, pid)
        return int(status["controller"]["pid"]) if other and status["config"]["revision"] else None

    found = eventually(back, message="the controller is back")
    assert found is not None
    return found


def test_a_killed_controller_comes_back_and_touches_nobody(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    kill_controller(fleet)
    assert fleet.settled(*BOTH) == before
    assert fleet.status()["controller"]["restarts"] == 1
    fleet.says("found 3 workers running")
    fleet.edit("replicas = 2", "replicas = 3")
    after = fleet.settled(*BOTH, "http/2")
    assert {name: after[name] for name in BOTH} == before


def test_a_controller_killed_beside_a_broken_file_goes_on_with_the_last_good_one(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.file.write_text("[workers.http\n")
    eventually(lambda: fleet.status()["config"]["rejected"])
    kill_controller(fleet)
    assert fleet.settled(*BOTH) == before
    status = fleet.status()
    assert status["config"]["rejected"]["diagnostics"][0]["code"] == "FLT001"
    os.kill(before["http/0"], signal.SIGKILL)
    after = fleet.settled(*BOTH)
    assert after["http/1"] == before["http/1"]


def test_a_controller_killed_in_a_rollout_continues_it(short_folder: Path) -> None:
    with Following(short_folder, PATIENT) as fleet:
        before = fleet.settled(*BOTH)
        fleet.edit("concurrency = 3", 'concurrency = 3\nenv = { VERSION = "2" }')

        def beside() -> set[int]:
            return {w["pid"] for w in fleet.group("http")["workers"] if w["pid"]} - set(before.values())

        (new,) = eventually(beside, message="a new worker beside the old")
        kill_controller(fleet)
        assert new in {w["pid"] for w in fleet.group("http")["workers"]}, "it is not started again"
        after = fleet.settled(*BOTH, within=30)
        assert after["http/0"] == new
        assert after["http/1"] != before["http/1"]
        assert after["lone/0"] == before["lone/0"]


def test_a_killed_worker_is_back_and_counted(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    os.kill(before["http/0"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("http/0", before["http/0"]) != before["http/0"])
    after = fleet.workers()
    assert after["http/0"]["restarts"] == 1
    assert after["http/0"]["last_exit"]["signal"] == signal.SIGKILL
    assert {name: after[name]["pid"] for name in BOTH[1:]} == {name: before[name] for name in BOTH[1:]}
    fleet.says("http/0 was killed by SIGKILL")


def test_crashes_at_work_are_counted_although_it_is_back_each_time(fleet: Following) -> None:
    fleet.settled(*BOTH)
    for crashes in range(1, CRASH_LIMIT + 1):
        pid = fleet.by_pid()["lone/0"]
        os.kill(pid, signal.SIGSEGV)
        eventually(lambda pid=pid: fleet.by_pid().get("lone/0", pid) != pid, within=30)
        assert fleet.workers()["lone/0"]["recent_crashes"] == crashes
    status = fleet.status()
    assert status["state"] == "degraded"
    assert f"lone: {CRASH_LIMIT} crashes in the last ten minutes" in status["reasons"]
    assert not fleet.workers()["lone/0"]["last_exit"]["cannot_boot"]
    shown = fleet.command("status", check=False).stdout
    assert f"is up, and has crashed {CRASH_LIMIT} times" in shown


def test_nothing_survives_a_killed_fleet_up(fleet: Following) -> None:
    fleet.settled(*BOTH)
    os.kill(fleet.status()["supervisor"]["pid"], signal.SIGKILL)
    fleet.assert_nothing_left()
    fleet.start()
    assert len(fleet.settled(*BOTH)) == 3, "and it starts again"


def test_a_crash_loop_is_shown_with_its_last_words(short_folder: Path) -> None:
    app = 'import sys\nprint("about to fail")\nraise ImportError("no module named shop")\n'
    with Following(short_folder, app=app, healthy=False) as fleet:

        def failed() -> bool:
            workers = fleet.group("lone")["workers"]
            return bool(workers) and workers[0]["state"] in ("backoff", "failed")

        eventually(failed, within=20)
        status = fleet.status()
        assert status["state"] == "degraded"
        (worker,) = fleet.group("lone")["workers"]
        assert "no module named shop" in "\n".join(worker["last_exit"]["log_tail"])
        assert worker["last_exit"]["code"] == 3
        assert worker["last_exit"]["cannot_boot"]
        assert worker["last_exit"]["rss_bytes"] > 2**20

        def told() -> bool:  # not in the moment of a try
            done = fleet.command("status", check=False)
            assert done.returncode == 1
            assert "no module named shop" in done.stdout
            assert "can't start" in done.stdout
            return "next try in" in done.stdout

        eventually(told)
        fleet.says("no module named shop")


def test_status_without_a_controller_is_the_supervisors(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    pid, name = fleet.status()["controller"]["pid"], fleet.status()["fleet"]
    os.kill(pid, signal.SIGSTOP)
    fleet.state.api_socket.unlink()  # else the answer is only slow
    try:
        done = fleet.command("status", check=False)
        assert done.returncode == 1
        assert "the controller does not answer" in done.stdout
        assert f"{name} is degraded" in done.stdout, "not the folder's name"
        pids = {w["pid"] for g in fleet.status()["groups"] for w in g["workers"]}
        assert pids == set(before.values())
    finally:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: fleet.status()["state"] == "healthy")
    assert fleet.settled(*BOTH) == before
