from __future__ import annotations

import json

import pytest

from fleet.rules import catalogue
from tests.cli.invoke import fleet


def test_a_code_is_explained_from_its_docstring() -> None:
    outcome = fleet("explain", "FLT302")
    assert outcome.code == 0
    assert outcome.out.startswith(
        "FLT302 green-pool-default-concurrency (error; --fix --unsafe mends it)\n\n"
    )
    assert outcome.out.split()[7:] == catalogue()["FLT302"].explanation.split()


def test_text_fits_the_terminal_and_examples_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        for rule in catalogue().values():
            lines = fleet("explain", rule.code).out.splitlines()[1:]
            assert all(len(line) <= columns for line in lines if not line.startswith(" "))
            examples = [line for line in rule.explanation.splitlines() if line.startswith("    ")]
            assert [line for line in lines if line.startswith("    ")] == examples


def test_codes_may_be_written_as_they_are_read() -> None:
    page = fleet("explain", "FLT302").out
    for written in ("flt302", "302", "[FLT302]", "green-pool-default-concurrency"):
        assert fleet("explain", written).out == page


def test_explain_of_an_unknown_code_exits_2_and_guesses() -> None:
    outcome = fleet("explain", "FLT999")
    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no check FLT999" in outcome.err
    assert "did you mean FLT3" in fleet("explain", "FLT399").err


def test_explain_without_a_code_lists_every_check() -> None:
    listed = fleet("explain").out.splitlines()
    assert [line.split()[0] for line in listed] == list(catalogue())
    entries = json.loads(fleet("explain", "--json").out)
    assert {entry["code"] for entry in entries} == set(catalogue())
    assert json.loads(fleet("explain", "FLT302", "--json").out)["severity"] == "error"


def test_a_word_of_a_name_leads_to_the_checks_about_it() -> None:
    outcome = fleet("explain", "green")
    assert outcome.code == 2
    assert "did you mean green-pool-default-concurrency or green-pool-too-small" in outcome.err
