"""A short selection of kombu's own tests on our transports; all of them: `python -m tests.kombu_suite`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kombu_suite.fetch import CantFetch, fetch
from tests.kombu_suite.judge import LeftOut, judge, read_left_out
from tests.kombu_suite.run import run

pytestmark = [pytest.mark.process, pytest.mark.broker]

HERE = Path(__file__).parent
STOCK = json.loads((HERE / "outcomes" / "stock.json").read_text())["outcomes"]
SELECTED = ("t/integration/test_more_cases.py", "t/unit/transport/virtual/test_base.py")
KEYWORD = "not TimeToLive and not Failover"


@pytest.fixture(scope="session")
def suite() -> Path:
    try:
        return fetch()
    except CantFetch as error:
        if os.environ.get("CI"):
            pytest.fail(f"kombu's tests can't be fetched: {error}")
        pytest.skip(f"kombu's tests can't be fetched: {error}")


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_what_passes_on_kombus_redis_transport_passes_on_ours(suite: Path, kind: str) -> None:
    outcomes = run(suite, kind, select=SELECTED, keyword=KEYWORD, seconds=30)
    assert len(outcomes) > 50, "most of the selection ran"
    assert judge(outcomes, STOCK, read_left_out(HERE / "left_out.toml", kind), complete=False) == []


# --- the judge ------------------------------------------------------------------------------------------

EXPECTED = {"m::test_a": "passed", "m::test_b[1]": "passed", "m::test_c": "failed"}
PASSED, FAILED = ("passed", ""), ("failed", "why")


def test_a_new_failure_is_told_and_one_that_kombus_transport_has_too_is_not() -> None:
    outcomes = {"m::test_a": FAILED, "m::test_b[1]": PASSED, "m::test_c": FAILED}
    [complaint] = judge(outcomes, EXPECTED, [], complete=True)
    assert "m::test_a: why" in complaint


def test_what_is_left_out_may_fail_and_must_not_be_listed_without_need() -> None:
    listed = [LeftOut(("m::test_b[1]",), "inside")]
    outcomes = {"m::test_a": PASSED, "m::test_b[1]": FAILED, "m::test_c": PASSED}
    assert judge(outcomes, EXPECTED, listed, complete=True) == []
    [complaint] = judge({**outcomes, "m::test_b[1]": PASSED}, EXPECTED, listed, complete=True)
    assert "without need" in complaint


def test_a_test_that_did_not_run_is_told_and_so_is_an_empty_run() -> None:
    assert judge({"m::test_a": PASSED, "m::test_c": PASSED}, EXPECTED, [], complete=True) == [
        "did not run: m::test_b[1]"
    ]
    assert judge({}, EXPECTED, [], complete=False) == ["no test ran"]


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_each_entry_of_what_is_left_out_names_tests_of_kombus(kind: str) -> None:
    for entry in read_left_out(HERE / "left_out.toml", kind):
        assert len(entry.reason) > 30
        for pattern in entry.tests:
            assert any(LeftOut((pattern,), "").covers(name) for name in STOCK), pattern
