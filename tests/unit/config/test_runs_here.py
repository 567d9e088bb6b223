"""What is only too much for this machine keeps no fleet down: an error in `validate`, a warning where it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import check, load, load_to_run
from fleet.config.source import read_source
from fleet.controller.declared.reading import read
from fleet.machine import Amount, Machine
from fleet.rules import catalogue

HALF_A_CPU = Machine(
    Amount(1, "cgroup quota 0.5"), Amount(2**30), Amount(256), visible_cpus=1, modules=frozenset({"gevent"})
)
FILE = """[fleet]
app = "shop.tasks"
[queues.images]
workload = "cpu"
[[routes]]
task = "*"
queue = "images"
[workers.images]
queues = ["images"]
pool = "prefork"
concurrency = 4
max_memory = "1GiB"
time_limit = "30s"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(FILE)
    return path


def severities(path: Path, *, runs_here: bool) -> dict[str, str]:
    loaded = (load_to_run if runs_here else load)(path, environ={}, machine=HALF_A_CPU)
    return {each.code: each.severity for each in loaded.diagnostics}


def test_on_half_a_cpu_it_is_an_error_to_validate_and_a_warning_where_it_runs(file: Path) -> None:
    assert severities(file, runs_here=False) == {"FLT301": "error", "FLT402": "error"}
    assert severities(file, runs_here=True) == {"FLT301": "warning", "FLT402": "warning"}
    assert check(read_source(file), environ={}, machine=HALF_A_CPU).fleet is None
    loaded = load_to_run(file, environ={}, machine=HALF_A_CPU)
    assert loaded.fleet is not None
    assert loaded.fleet.workers["images"].concurrency == 4


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"prefork"', '"gevent"', "FLT307"),
        ('"prefork"', '"eventlet"', "FLT308"),
        ('queues = ["images"]', 'queues = ["nobody"]', "FLT101"),
        ("concurrency = 4", "concurrency = 4\nsingleton = true\nreplicas = 2", "FLT703"),
    ],
)
def test_what_cannot_work_at_all_stays_an_error(file: Path, old: str, new: str, code: str) -> None:
    file.write_text(FILE.replace(old, new))
    assert severities(file, runs_here=True)[code] == "error"
    assert load_to_run(file, environ={}, machine=HALF_A_CPU).fleet is None


def test_what_the_file_calls_an_error_stays_one(file: Path) -> None:
    file.write_text(FILE + '[lint]\nseverity = { FLT301 = "error" }\n')
    assert severities(file, runs_here=True) == {"FLT301": "error", "FLT402": "warning"}


def test_the_controller_takes_the_file_and_remembers_what_is_too_much(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.config.load.this_machine", lambda: HALF_A_CPU)
    reading = read(file, None)
    assert reading.accepted is not None
    assert [each["code"] for each in reading.remarks] == ["FLT301", "FLT402"]


def test_every_rule_about_the_size_of_a_machine_varies_with_it() -> None:
    sized = {code for code, rule in catalogue().items() if rule.sized}
    assert sized == {
        "FLT301",
        "FLT303",
        "FLT315",
        "FLT401",
        "FLT402",
        "FLT404",
        "FLT406",
        "FLT407",
        "FLT408",
        "FLT409",
    }
    assert all(catalogue()[code].varies for code in sized)
