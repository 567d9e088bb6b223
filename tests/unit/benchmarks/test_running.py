"""How the runner starts its contenders, counts what they do, and reads what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import marks, peers
from benchmarks.__main__ import main
from benchmarks.contenders import Contender
from benchmarks.lineup import QUICK
from benchmarks.processes import Failed, Tree, cpu_seconds, pss_megabytes, tree, wait_for, wakeups
from benchmarks.runs import spread
from benchmarks.scaling import QUICK_CELLS
from benchmarks.scenarios import SCENARIOS
from tests.support import alive, eventually

OURS = ("fleet", "fleet_celery")
ALL = [each for scenario in SCENARIOS.values() for each in scenario.contenders]


@pytest.mark.parametrize("name", SCENARIOS)
def test_names_are_unique_and_every_scenario_has_a_quick_one_of_fleet(name: str) -> None:
    keys = [contender.key for contender in SCENARIOS[name].contenders]
    assert len(set(keys)) == len(keys)
    assert any(contender.library in OURS for contender in SCENARIOS[name].chosen(quick=True))
    assert SCENARIOS[name].chosen(quick=False) == list(SCENARIOS[name].contenders)


def test_quick_names_none_that_is_gone() -> None:
    assert {contender.key for contender in ALL} >= QUICK | QUICK_CELLS


@pytest.mark.parametrize("contender", ALL, ids=lambda each: each.key)
def test_every_contender_has_a_command_and_a_pinned_library(contender: Contender) -> None:
    command = contender.command("q", Path("/folder"))
    assert command[0] == contender.python
    assert contender.library in {*OURS, "raw", *peers.versions()}
    assert contender.environment("url", "q", Path("/marks"))["BENCH_QUEUE"] == "q"


def test_the_benchmark_command_explains_itself_and_refuses_wrong_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "compare OLD.json NEW.json" in capsys.readouterr().out
    assert main(["compare", "only-one.json"]) == 2


def test_marks_of_several_processes_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_MARKS", str(tmp_path))
    script = "from benchmarks.work import noop, job\nfor _ in range(7): noop()\njob(5, 0.0)\n"
    fork = "import os\nif os.fork() == 0:\n    for _ in range(5): noop()\n    os._exit(0)\nos.wait()\n"
    subprocess.run([sys.executable, "-c", script + fork], check=True)
    assert marks.done(tmp_path) == 12
    assert len(marks.read(tmp_path)) == 2
    [(sent, began, ended)] = marks.listed(tmp_path)
    assert sent == 5
    assert began <= ended


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "7.list").write_text("1 2 3\n4 5")
    assert marks.listed(tmp_path) == [(1, 2, 3)]


def test_a_tree_is_measured_whole_and_leaves_nothing(tmp_path: Path) -> None:
    spin = "import os, time\nchild = os.fork()\nuntil = time.process_time() + 0.2\n"
    spin += "while time.process_time() < until: pass\nprint('spun', flush=True)\ntime.sleep(60)\n"
    with Tree([sys.executable, "-c", spin], {}, tmp_path) as command:
        eventually(lambda: command.log.read_text().count("spun") == 2, within=30)
        pids = command.pids
        assert len(pids) == 2
        assert cpu_seconds(pids) >= 0.3
        assert pss_megabytes(pids) > 1
        assert wakeups(pids) >= 0
    eventually(lambda: not any(alive(pid) for pid in pids), within=10)


def test_the_tree_of_a_process_without_children_is_itself() -> None:
    assert os.getpid() in tree(os.getpid())


def test_what_does_not_come_is_an_error() -> None:
    with pytest.raises(Failed, match="a miracle"):
        wait_for(lambda: False, 0.01, "a miracle", every=0.001)
    wait_for(lambda: time.monotonic() > 0, 0.0, "now")


def test_latencies_are_told_with_their_spread() -> None:
    assert spread([each * 1_000_000 for each in range(1, 101)]) == {"p50_ms": 50.5, "p99_ms": 100}
    assert spread([3_000_000], "extra_") == {"extra_p50_ms": 3, "extra_p99_ms": 3}


def test_dramatiq_has_the_slots_that_its_name_says() -> None:
    def flags(pool: str, concurrency: int) -> list[str]:
        contender = Contender("d", "dramatiq", "redis", pool, concurrency)
        return contender.command("q", Path("/folder"))[4:8]

    assert flags("threads", 16) == ["-p", "2", "-t", "8"]
    assert flags("threads", 8) == ["-p", "1", "-t", "8"]
    assert flags("process", 2) == ["-p", "2", "-t", "1"]
