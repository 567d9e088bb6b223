"""The judge on a few workloads, seconds each; `python -m tests.advice.judge` asks about all of them, for minutes."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.advice import asked
from tests.advice.asked import Answer, Workload
from tests.advice.judge import names
from tests.support import ROOT

IS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="CPU and memory are read from /proc")


@pytest.mark.parametrize("name", names())
def test_each_workload_has_its_right_answer_and_says_why(name: str) -> None:
    workload = Workload.named(name)
    text = (ROOT / "tests" / "advice" / "workloads" / f"{name}.py").read_text()
    _, _, why = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")
    assert len(why) > 80, "why that is the right answer"
    pool, slots = workload.says["START"]
    assert not workload.is_right(Answer(pool, asked.number(slots))), "it does not begin with what is right"
    if workload.says["RIGHT"] == "apart":
        assert set(workload.every) > {"work"}
        assert workload.is_right(Answer("", 0, apart=True))
    else:
        pools, fewest, most = workload.says["RIGHT"]
        assert all(workload.is_right(Answer(pool, asked.number(most))) for pool in pools)
        assert all(workload.is_right(Answer(pool, asked.number(fewest))) for pool in pools)
        assert not workload.is_right(Answer(min(pools), asked.number(most) + 1))
        assert not workload.is_right(Answer("", 0, apart=True))


# Their answers do not hang on rates, which a busy machine spoils.
@IS_LINUX
@pytest.mark.parametrize("name", ["python_cpu", "async_blocks", "computing_and_waiting"])
def test_bench_is_right_within_seconds(name: str) -> None:
    workload = Workload.named(name)
    answer = asked.bench(workload, budget=20)
    assert workload.is_right(answer), f"{answer}; right is {workload.expected()}\n" + "\n".join(answer.said)


@IS_LINUX
def test_advise_is_right_after_one_look_at_a_fleet_that_ran() -> None:
    workload = Workload.named("async_computes")
    answer = asked.advise(workload, rounds=1)
    assert workload.is_right(answer), f"{answer}; right is {workload.expected()}\n" + "\n".join(answer.said)
