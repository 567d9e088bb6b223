"""A run that is broken off and goes on; in what order; what does not belong into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.processes import Failed
from benchmarks.results import Results
from benchmarks.scenarios import Scenario
from benchmarks.session import Session, Step, left, steps, why_not_one_table

A = Contender("a", "fleet", "redis", "solo")
B = Contender("b", "celery", "redis", "solo")
C = Contender("c", "celery", "rabbitmq", "solo")


class Runs:
    """Instead of a measurement: notes who was to be measured, and fails or is broken off where told."""

    def __init__(self, **trouble: BaseException) -> None:
        self.seen: list[str] = []
        self.trouble = trouble

    def __call__(self, contender: Contender, _: Any, __: bool) -> dict[str, float]:
        self.seen.append(contender.name)
        if contender.name in self.trouble:
            raise self.trouble.pop(contender.name)
        return {"seconds": 1.0}


def planned(runs: Runs, rounds: int = 2, **wish: Any) -> list[Step]:
    scenario = Scenario("io", [A, B, C], runs)
    wish = {"quick": False, "match": "", "brokers": ("redis", "rabbitmq"), **wish}
    return steps([scenario], rounds, **wish)


def session(tmp_path: Path, found: Results) -> Session:
    return Session(Brokers(tmp_path, ""), found, tmp_path / "out.json", quick=False)


def test_a_session_runs_all_contestants_in_turn_and_again() -> None:
    assert [step.contender.name for step in planned(Runs())] == ["a", "b", "c", "a", "b", "c"]
    assert [step.contender.name for step in planned(Runs(), 1, brokers=("redis",))] == ["a", "b"]
    assert [step.contender.name for step in planned(Runs(), 1, match=["MQ: C"])] == ["c"]
    assert [step.contender.name for step in planned(Runs(), 1, match=["MQ: C", ": a"])] == ["a", "c"]


def test_what_was_measured_before_ctrl_c_is_saved_and_the_rest_is_left(tmp_path: Path) -> None:
    runs = Runs(c=KeyboardInterrupt())
    todo, found = planned(runs), Results({}, {})
    with pytest.raises(KeyboardInterrupt):
        list(session(tmp_path, found).take(todo))
    saved = Results.read(tmp_path / "out.json")
    assert list(saved.scenarios["io"]) == ["redis: a", "redis: b"]
    again = left(todo, saved)
    assert [(step.contender.name, step.round) for step in again] == [("c", 0), ("a", 1), ("b", 1), ("c", 1)]
    list(session(tmp_path, saved).take(again))
    assert left(todo, Results.read(tmp_path / "out.json")) == []


def test_one_that_fails_is_counted_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(b=Failed("it did nothing"))
    mine = session(tmp_path, Results({}, {}))
    assert [scenario.name for scenario in mine.take(planned(runs))] == ["io"]
    assert runs.seen == ["a", "b", "c"] * 2
    assert mine.failures == 1
    assert "[2/6 0:00] io redis: b: FAILED: it did nothing" in capsys.readouterr().err
    assert [step.contender.name for step in left(planned(runs), mine.found)] == ["b"]


def test_results_of_other_code_or_another_machine_are_not_continued() -> None:
    machine = {"quick": False, "system": "Linux", "cpus": 2, "python": "3.11"}
    old = Results(machine, {"fleet": "abc", "Redis": "7"})
    assert why_not_one_table(old, Results(machine, {"fleet": "abc", "Redis": "7"})) == ""
    assert why_not_one_table(old, Results(machine, {"fleet": "abd", "Redis": "7"})) == "fleet abc, now abd"
    quick = Results({**machine, "quick": True}, {"fleet": "abc"})
    assert why_not_one_table(old, quick) == "quick False, now True"
