"""A short selection of Celery's own integration suite under fleet; all of it: `python -m tests.celery_suite`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.celery_suite.__main__ import EXPECTED
from tests.celery_suite.fetch import CantFetch, fetch
from tests.celery_suite.run import Suite, lost, read, run

pytestmark = [pytest.mark.process, pytest.mark.broker]

SELECTED = ("test_inspect.py", "test_canvas.py")
KEYWORD = "test_Inspect or test_link_error or test_single_chain or test_complex_chain or test_chain_replaced"


def test_what_passes_with_a_celery_worker_passes_with_fleet(short_folder: Path) -> None:
    try:
        tests = fetch()
    except CantFetch as error:
        if os.environ.get("CI"):
            pytest.fail(f"Celery's tests can't be fetched: {error}")
        pytest.skip(f"Celery's tests can't be fetched: {error}")
    outcomes = run(Suite("fleet", select=SELECTED, keyword=KEYWORD), tests, short_folder)
    log = (short_folder / "pytest.log").read_text(errors="replace")[-3000:]
    assert len(outcomes) > 20, log
    assert lost(outcomes, json.loads(EXPECTED.read_text())["outcomes"], complete=False) == [], log


# --- what is read of the report -------------------------------------------------------------------------


def test_a_test_has_failed_if_one_of_its_entries_has(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="t.integration.test_a.test_b" name="test_c"/>'
        '<testcase classname="t.integration.test_a.test_b" name="test_c"><failure message="no&#10;more"/></testcase>'
        '<testcase classname="t.integration.test_a.test_b" name="test_c"/>'
        '<testcase classname="t.integration.test_a" name="test_d"><skipped type="pytest.xfail" message="x"/></testcase>'
        "</testsuite></testsuites>"
    )
    assert read(report) == {
        "test_a.py::test_b::test_c": ("failed", "no"),
        "test_a.py::test_d": ("xfailed", "x"),
    }


def test_lost_is_what_passed_elsewhere_and_does_not_here() -> None:
    expected = {"a": "passed", "b": "failed", "c": "passed"}
    outcomes = {"a": ("failed", "why"), "b": ("failed", "both")}
    assert lost(outcomes, expected, complete=False) == ["a: why"]
    assert lost(outcomes, expected, complete=True) == ["a: why", "c: did not run"]
