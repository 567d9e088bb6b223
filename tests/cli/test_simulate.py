"""`fleet simulate`: the example as its text says, what CI asserts, every form of load, and what is wrong with one."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from fleet.cli.running.record import rows
from tests.cli.invoke import Outcome, fleet
from tests.support import ROOT

EXAMPLE = ROOT / "examples" / "autoscale"


def simulate(*arguments: object, file: Path = EXAMPLE / "fleet.toml") -> Outcome:
    return fleet("simulate", "-f", file, *arguments)


def test_the_example_keeps_its_promises_and_draws_them(tmp_path: Path) -> None:
    drawing = tmp_path / "day.svg"
    promises = (
        "upload.wait.p99 < 10s",
        "thumbnail.wait.max<30s",
        "upload.replicas.max <= 8",
        "upload.unstarted == 0",
    )
    asserted = [part for each in promises for part in ("--assert", each)]
    done = simulate(EXAMPLE / "day.toml", "--svg", drawing, *asserted)
    assert (done.code, done.err) == (0, "")
    assert "upload replicas" in done.out
    assert "█" in done.out
    assert "WAIT P99" in done.out
    assert all(len(line) <= 110 for line in done.out.splitlines())
    assert ET.parse(drawing).getroot().tag.endswith("svg")
    assert simulate(EXAMPLE / "day.toml").out == simulate(EXAMPLE / "day.toml").out, "the same every time"


def test_a_promise_that_does_not_hold_fails_and_says_what_is() -> None:
    done = simulate(EXAMPLE / "day.toml", "--json", "--assert", "upload.wait.max < 10ms")
    assert done.code == 1
    assert "does not hold: upload.wait.max < 10ms: it is" in done.err
    found = json.loads(done.out)
    assert found["failed"]
    upload = found["groups"]["upload"]
    assert upload["replicas"]["min"] == 0
    assert upload["replicas"]["max"] == 8
    assert upload["messages"] > 10_000
    assert any("needed" in each["what"] for each in upload["decisions"])


def test_fewer_cpus_make_prefork_wait() -> None:
    plain, tight = (
        json.loads(simulate(EXAMPLE / "day.toml", "--json", *more, file=file).out)["groups"]["thumbnail"]
        for file, more in ((EXAMPLE / "fleet.toml", ()), (EXAMPLE / "fleet.toml", ("--cpus", 3)))
    )
    assert tight["replicas"]["max"] == 3
    assert tight["wait"]["p99"] > plain["wait"]["p99"] * 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("load.csv", "at,queue,per_second,task_seconds\n0,upload,5,0.5\n60,upload,0,0.5\n90s,upload,0,0.5\n"),
        (
            "load.jsonl",
            '{"at": 0, "group": "upload", "per_second": 5, "task_seconds": 0.5}\n'
            '{"at": 60, "group": "upload", "per_second": 0, "task_seconds": 0.5}\n',
        ),
        (
            "load.toml",
            'duration = "1m"\narrivals = "even"\n[[load]]\nqueue = "upload"\ntask_seconds = "500ms"\nper_second = 5\n',
        ),
    ],
)
def test_a_load_is_read_from_each_form_of_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = json.loads(simulate(path, "--json").out)["groups"]
    assert found["upload"]["messages"] == pytest.approx(300, abs=60)
    assert found["thumbnail"]["messages"] == 0
    assert found["thumbnail"]["wait"]["p99"] is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[[load]\n", "line 1"),
        ("a.toml", "", "at least one [[load]]"),
        ("a.toml", "sed = 1\n[[load]]\n", "sed: unknown key"),
        ("a.toml", '[[load]]\nqueue = "nope"\n', "there is no queue 'nope'"),
        ("a.toml", '[[load]]\nqueue = "upload"\n', "task_seconds"),
        ("a.toml", '[[load]]\nqueue = "upload"\ntask_seconds = 1\nper_second = 4\n', "per_second"),
        (
            "a.toml",
            '[[load]]\nqueue = "upload"\ntask_seconds = 1\nper_second = [["2m", 1], ["1m", 1]]\n',
            "times must grow",
        ),
        ("a.csv", "when,queue\n", "columns"),
        (
            "a.csv",
            "at,queue,per_second,task_seconds\n0,upload,many,1\n",
            "line 2: per_second: expected a number",
        ),
        ("a.jsonl", "[]\n", "line 1: expected a JSON object"),
        ("a.jsonl", '{"at": 0, "group": "x", "per_second": 1, "task_seconds": 1}', "no worker group 'x'"),
        ("a.jsonl", "\n", "empty"),
    ],
)
def test_a_load_that_is_wrong_is_told_so(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = simulate(path)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        ("upload.wait.p99", "expected GROUP.FIGURE OPERATOR VALUE"),
        ("nope.wait.p99 < 1s", "no group 'nope'"),
        ("upload.wait.p42 < 1s", "no figure 'wait.p42'"),
        ("upload.wait.p99 < soon", "expected a number or a duration"),
    ],
)
def test_an_assertion_that_is_wrong_is_told_so(assertion: str, said: str) -> None:
    done = simulate(EXAMPLE / "day.toml", "--assert", assertion)
    assert done.code == 2
    assert said in done.err


def test_without_a_load_it_says_what_it_wants() -> None:
    done = simulate()
    assert done.code == 2
    assert "--record" in done.err


def status(done: int, busy: float, ready: int, pid: int = 1) -> dict[str, object]:
    worker = {"pid": pid, "tasks": {"shop.a": [done, busy, 0.0]}}
    other = {"name": "other", "queues": ["q"], "workers": []}
    return {
        "groups": [{"name": "http", "queues": ["q"], "workers": [worker]}, other],
        "queues": [{"name": "q", "ready": ready, "unacked": None}],
    }


def test_what_is_recorded_is_what_ended_and_what_the_queue_grew_by() -> None:
    known: dict[str, float] = {}
    assert list(rows(status(5, 1.0, 0), status(5, 1.0, 9), 0.0, 5.0, known)) == [], (
        "nothing known of its tasks"
    )
    (row,) = rows(status(5, 1.0, 0), status(25, 6.0, 30), 5.0, 5.0, known)
    assert row == {"at": 5.0, "group": "http", "per_second": 10.0, "task_seconds": 0.25}
    (row,) = rows(status(25, 6.0, 30), status(0, 0.0, 20, pid=2), 10.0, 5.0, known)
    assert row["per_second"] == 0.0, "a new worker counts from nothing"
    assert row["task_seconds"] == 0.25


def test_the_clock_of_a_celery_app_is_what_its_scheduler_has_told(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        '[fleet]\napp = "shop:app"\n[queues.celery]\n[[routes]]\ntask = "*"\nqueue = "celery"\n'
        '[workers.w]\nqueues = ["celery"]\npool = "threads"\nconcurrency = 2\n'
    )
    done = simulate("--schedules", file=file)
    assert done.code == 1
    assert "nothing is sent by the clock" in done.err
    entry = {"name": "often", "task": "shop.t", "cron": None, "every_seconds": 30.0, "timezone": "UTC"}
    known = {"app": [{**entry, "weekdays": [], "when": "every 30s", "coming": []}]}
    (tmp_path / ".fleet").mkdir()
    (tmp_path / ".fleet" / "schedules-known.json").write_text(json.dumps(known))
    done = simulate("--schedules", "--for", "10m", "--json", file=file)
    assert json.loads(done.out)["groups"]["w"]["messages"] == 20
