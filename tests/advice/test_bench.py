"""`fleet bench` with real workers, for a few seconds each; what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from fleet.broker.delivery import Posting
from fleet.broker.producer import Producer
from fleet.cli.file.routing import load_routing
from fleet.protocol import Call, encode
from fleet.spec import QueueSpec
from tests.advice.conftest import Write
from tests.cli.invoke import fleet
from tests.support import ROOT, descendants, eventually

CODE = """\
import os, time
from fleet import task

@task
def wait(seconds, also=0):
    assert os.environ["SAID"] == "in the file"
    time.sleep(seconds)
    if also:
        wait.send(0, 0)

@task
def fail():
    raise ValueError("no such shop")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="CPU and memory of a session are read from /proc")
def test_a_task_is_measured_in_real_workers_and_the_queues_of_the_file_are_not_touched(
    write: Write, tmp_path: Path
) -> None:
    file = write(code=CODE)
    (tmp_path / "calls.jsonl").write_text('[0.02]\n{"args": [0.02], "kwargs": {"also": 1}}\n')
    done = fleet(
        *("bench", "tasks.wait", "-f", file, "--budget", "25s", "--json", "--pools", "threads"),
        *("--concurrency", "1,8", "--calls", tmp_path / "calls.jsonl", "--svg", tmp_path / "curve.svg"),
    )
    assert done.code == 0, done.err
    [found] = json.loads(done.out)["tasks"]
    assert (found["task"], found["queue"], found["group"]) == ("tasks.wait", "work", "work")
    assert found["alone"]["cpu_share"] < 0.5
    one, eight = found["cells"]
    assert (one["concurrency"], eight["concurrency"]) == (1, 8)
    assert eight["per_second"] > 2 * one["per_second"]
    assert one["p50_seconds"] >= 0.019
    assert found["recommendation"]["pool"] == "threads"
    assert found["recommendation"]["concurrency"] == 8
    assert "concurrency = 8\n" in found["recommendation"]["toml"]
    assert not (tmp_path / ".fleet").exists(), "no broker of the file, no state"
    assert ET.parse(tmp_path / "curve.svg").getroot().tag.endswith("svg")
    assert "alone" in done.err, "progress goes to stderr"


def test_a_task_that_fails_is_reported_and_not_timed(write: Write) -> None:
    done = fleet("bench", "tasks.fail", "-f", write(code=CODE), "--budget", "10s")
    assert done.code == 1
    assert "tasks.fail fails (2 of 2): ValueError: no such shop" in done.out


def test_ctrl_c_ends_it_with_what_there_is_and_no_process_is_left(write: Write) -> None:
    file = write(code=CODE)
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet", "bench", "tasks.wait", "--args", "[0.01]", "-f", str(file), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr is not None
    while "tasks.wait: threads" not in (line := process.stderr.readline()) and "gevent" not in line:
        assert line, "it ended"
    started = eventually(lambda: descendants(process.pid), within=20)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    said = json.loads(out)
    assert said["interrupted"] is True
    assert said["tasks"][0]["alone"]["wall_seconds"] >= 0.009
    assert not {pid for pid in started if Path(f"/proc/{pid}").exists() and _runs(pid)}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tasks.wat",), "the app has no task tasks.wat; did you mean tasks.wait?"),
        (("tasks.wait", "--args", "{}"), "--args: expected a list, got {}"),
        (("tasks.wait", "--args", "[1"), "--args: no JSON"),
        (("tasks.wait", "--pools", "gevnt"), "--pools: no pool 'gevnt'"),
        (("tasks.wait", "--concurrency", "8,x"), "--concurrency: expected numbers"),
        (("tasks.wait", "--budget", "soon"), "--budget soon: expected a time"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    write: Write, arguments: tuple[str, ...], said: str
) -> None:
    done = fleet("bench", *arguments, "-f", write(code=CODE))
    assert done.code == 2
    assert done.err.startswith(f"Error: {said}")


def test_a_celery_app_is_refused_for_its_own_broker_would_be_used(write: Write) -> None:
    done = fleet("bench", "tasks.wait", "-f", write("tasks:app", CODE))
    assert done.code == 2
    assert "can't keep a Celery app away from its own broker" in done.err


def test_temporary_files_too_deep_for_a_socket_are_told_with_the_remedy(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    done = fleet("bench", "tasks.wait", "--args", "[0.01]", "-f", write(code=CODE), "--budget", "5s")
    assert done.code == 1
    assert "a shorter TMPDIR helps" in done.out
    assert list(deep.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="CPU and memory of a session are read from /proc")
def test_arguments_are_those_of_dead_messages_which_stay_where_they_are(write: Write, tmp_path: Path) -> None:
    file = write(code=CODE)
    bench = ("bench", "tasks.wait", "-f", file, "--budget", "10s", "--pools", "threads", "--concurrency", "2")
    done = fleet(*bench, "--dead", "work")
    assert done.code == 2
    assert "no dead message of tasks.wait in work" in done.err
    assert fleet(*bench, "--dead", "none").code == 2
    assert fleet(*bench, "--dead", "work", "--args", "[1]").err.startswith("Error: give the arguments once")
    routing = load_routing(file, None).spec
    [work] = routing.queues
    grave = QueueSpec(str(work.dead_letter))
    calls = [Call("1", "tasks.wait", (0.011,), {"also": 0}), Call("2", "tasks.fail", (), {})]
    Producer(routing.broker).publish([Posting(grave.name, encode(call)) for call in calls], grave)
    done = fleet(*bench, "--dead", "work", "--json")
    assert done.code == 0, done.err
    [found] = json.loads(done.out)["tasks"]
    assert 0.011 <= found["alone"]["wall_seconds"] < 0.5
    assert len(json.loads(fleet("dead", "list", "-f", file, "--json").out)) == 2


def test_calls_that_are_no_text_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "calls").write_bytes(b"\xff\xfe[1]")
    done = fleet("bench", "tasks.wait", "--calls", tmp_path / "calls", "-f", write(code=CODE))
    assert done.code == 2
    assert "can't be read" in done.err
