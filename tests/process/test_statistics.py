"""Statistics of a real fleet: what its API says while workers and controllers start, end and are killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from tests.process.following import Following
from tests.support import eventually

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "seen"
app = "work"
[queues.io]
[queues.cpu]
[[routes]]
task = "work.crunch"
queue = "cpu"
[[routes]]
task = "*"
queue = "io"
[workers.http]
queues = ["io"]
pool = "threads"
concurrency = 3
max_retries = 0
[workers.cpu]
queues = ["cpu"]
pool = "prefork"
concurrency = 1
[rollout]
min_ready = "200ms"
"""
APP = """
import time
from fleet import task

@task
def nap(seconds):
    time.sleep(seconds)

@task
def fail():
    raise ValueError("no such image")

@task
def crunch(n):
    sum(range(n))
"""


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    with Following(short_folder, FILE, APP) as running:
        running.settled("http/0", "cpu/0", within=30)
        yield running


def get(fleet: Following, path: str) -> Any:
    return ApiClient(fleet.state.api_socket).get(path)


def send(fleet: Following, task: str, *arguments: Any, count: int = 1) -> str:
    words = [json.dumps(each) for each in arguments]
    return fleet.command("send", task, *words, "--count", str(count)).stdout


def ended(fleet: Following) -> dict[str, int]:
    """How many of each task have ended, by what the controller knows; {} while it is away."""
    try:
        tasks = get(fleet, "/statistics")["tasks"]
    except (ControllerUnavailable, ApiError):
        return {}
    return {each["task"]: sum(each["total"]["outcomes"].values()) for each in tasks}


def kill_controller(fleet: Following) -> None:
    pid = fleet.status()["controller"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        status = fleet.status()
        return status["controller"]["pid"] not in (None, pid) and status["config"]["revision"] is not None

    eventually(back, within=20, message="the controller is back")


def test_kills_of_the_controller_and_restarts_of_all_workers_lose_and_double_no_count(
    fleet: Following,
) -> None:
    sent = 0
    for kill in range(3):
        send(fleet, "work.nap", 0.001, count=20)
        send(fleet, "work.crunch", 10, count=5)
        sent += 20
        wanted = {"work.nap": sent, "work.crunch": 5 * (kill + 1)}
        eventually(lambda: all(queue["ready"] == 0 for queue in fleet.status()["queues"]), within=20)
        if kill == 1:  # workers end, and so does the controller before it has heard of it
            fleet.command("restart", check=False)
        kill_controller(fleet)
        eventually(lambda wanted=wanted: ended(fleet) == wanted, within=40, message=f"{wanted} have ended")
    statistics = get(fleet, "/statistics")
    nap = next(each for each in statistics["tasks"] if each["task"] == "work.nap")
    assert nap["total"]["outcomes"]["succeeded"] == sent
    assert nap["total"]["duration"]["count"] == nap["total"]["wait"]["count"] == sent
    assert nap["total"]["wait"]["unknown"] == nap["total"]["wait"]["negative"] == 0
    crunch = next(each for each in statistics["tasks"] if each["task"] == "work.crunch")
    assert crunch["total"]["cpu_seconds"] > 0, "prefork measures it in its processes"
    assert {each["group"]: each["total"]["ran"] for each in statistics["groups"]} == {"http": sent, "cpu": 15}


def test_what_runs_and_one_message_are_shown_from_when_it_runs_until_it_has_ended(fleet: Following) -> None:
    before = time.time()
    for task, arguments in (("work.nap", [6]), ("work.fail", [])):
        send(fleet, task, *arguments)
    running = eventually(lambda: get(fleet, "/running")["running"], within=10)
    [task] = [each for each in running if each["task"] == "work.nap"]
    assert (task["queue"], task["worker"]) == ("io", "http/0")
    assert task["process"] == fleet.by_pid()["http/0"]
    assert before - 1 <= task["since"] <= time.time()
    message = get(fleet, f"/messages/{task['id']}")
    assert message["found"]["state"] == "running"
    assert message["found"]["headers"]["argsrepr"] == "(6,)"

    def errors() -> list[dict[str, Any]]:
        return get(fleet, "/errors")["errors"]  # type: ignore[no-any-return]

    [group] = eventually(errors, within=20, message="the error is told")
    assert (group["type"], group["times"]) == ("ValueError", 1)
    assert group["place"].endswith("work.py:11 in fail")
    assert "no such image" in group["example"]["traceback"]
    dead = get(fleet, f"/messages/{group['example']['id']}")
    assert dead["found"]["state"] == "dead"
    assert dead["found"]["death"]["reason"].startswith("ValueError")
    assert [each["outcome"] for each in dead["ended"]] == ["failed"]
    eventually(lambda: get(fleet, f"/messages/{task['id']}")["ended"], within=20)
    assert get(fleet, f"/messages/{task['id']}")["found"] is None


def test_a_pool_process_is_named_as_who_runs_a_task_and_what_waits_is_not_running(fleet: Following) -> None:
    fleet.edit("work.crunch", "work.nap")
    fleet.command("reload")
    send(fleet, "work.nap", 4)
    send(fleet, "work.nap", 4)
    [task] = eventually(lambda: get(fleet, "/running?group=cpu")["running"], within=10)
    children = [each["pid"] for each in fleet.workers()["cpu/0"]["children"]]
    assert task["process"] in children


def test_questions_that_make_no_sense_are_refused_with_a_reason(fleet: Following) -> None:
    for path, word in (
        ("/history?kind=nonsense", "kind"),
        ("/history?kind=queue&name=io&step=7", "step"),
        ("/statistics?window=long", "window"),
        ("/history/events?before=x", "before"),
    ):
        with pytest.raises(ApiError, match=word) as found:
            get(fleet, path)
        assert found.value.status == 400
    assert get(fleet, "/messages/nothing")["found"] is None
