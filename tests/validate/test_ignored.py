"""Whatever [lint] leaves out, what then passes for a fleet can be made definite: no traceback waits in `fleet up`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from fleet.config import resolve, resolve_groups
from fleet.config.load import check, load_source
from fleet.config.source import Unreadable, from_bytes
from fleet.rules import catalogue
from tests.unit.rules.fixtures import CODES, FOLDER, a_machine, body

ENVIRON = {"HOME": "/home/shop"}
CAN_BE_LEFT_OUT = [code for code, rule in catalogue().items() if not rule.always_counts]


def with_lint(code: str, words: str) -> tuple[str, Path]:
    """The bad file of a rule, with all other codes left out and `words` about this one."""
    path = FOLDER / code / "bad.toml"
    text = body(path.read_text(encoding="utf-8"))
    return text.partition("\n[lint]")[0] + f"\n[lint]\n{words}\n", path


@pytest.mark.parametrize("code", CODES)
def test_a_fleet_whose_mistakes_are_ignored_can_be_made_definite(code: str) -> None:
    text, path = with_lint(code, f"ignore = {CAN_BE_LEFT_OUT}".replace("'", '"'))
    loaded = load_source(from_bytes(text.encode(), path), environ=ENVIRON, machine=a_machine())
    if loaded.fleet is None:
        assert all(catalogue()[each.code].always_counts for each in loaded.diagnostics)
        return
    with suppress(Unreadable):  # which the commands have words for
        resolve.routing(loaded.fleet)
        for group in loaded.fleet.workers:
            resolve_groups.worker_spec(loaded.fleet, group, machine=a_machine())


@pytest.mark.parametrize("words", ['ignore = ["FLT101"]', 'severity = { FLT101 = "info" }'])
def test_a_group_of_an_undeclared_queue_is_an_error_whatever_lint_says(words: str) -> None:
    text, path = with_lint("FLT101", words)
    loaded = check(from_bytes(text.encode(), path), environ=ENVIRON, machine=a_machine())
    assert loaded.fleet is None
    found = {each.code: each.severity for each in loaded.diagnostics}
    assert (found["FLT101"], found["FLT012"]) == ("error", "warning")


def test_a_comment_beside_an_undeclared_queue_leaves_the_error_and_is_not_called_unused() -> None:
    text, path = with_lint("FLT101", "")
    text = text.replace('queues = ["htpp"]', 'queues = ["htpp"]  # fleet: ignore[FLT101] made by hand')
    loaded = check(from_bytes(text.encode(), path), environ=ENVIRON, machine=a_machine())
    codes = [each.code for each in loaded.diagnostics]
    assert "FLT101" in codes
    assert "FLT011" not in codes


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_the_severity_of_an_unused_comment_is_what_lint_says(severity: str) -> None:
    text, path = with_lint("FLT011", f'severity = {{ FLT011 = "{severity}" }}')
    loaded = check(from_bytes(text.encode(), path), environ=ENVIRON, machine=a_machine())
    assert {each.severity for each in loaded.diagnostics if each.code == "FLT011"} == {severity}
