"""The formats for machines: what their readers need, nothing that breaks out, no secret."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import fastjsonschema
import pytest

from fleet.diagnostics import Diagnostic, Span, concise, github, gitlab, jsonform, junit, sarif, text
from fleet.rules import catalogue
from tests.npm import npm_file
from tests.unit.diagnostics.findings import ALL, FULL, OVER_LINES, PLAIN, SECRET

RENDERERS: dict[str, Callable[[list[Diagnostic]], str]] = {
    "concise": lambda found: concise.render(found, "a/fleet.toml"),
    "github": lambda found: github.render(found, "a/fleet.toml"),
    "gitlab": lambda found: gitlab.render(found, "a/fleet.toml"),
    "json": lambda found: jsonform.render(found, "a/fleet.toml"),
    "junit": lambda found: junit.render(found, "a/fleet.toml", ("error",)),
    "text": lambda found: text.render(found, "a = 1\n" * 9, "a/fleet.toml", text.Style()),
    "sarif": lambda found: sarif.render(found, "a/fleet.toml", catalogue()),
}


@pytest.mark.parametrize("form", RENDERERS)
def test_no_format_shows_a_secret(form: str) -> None:
    shown = RENDERERS[form](ALL)
    assert SECRET not in shown
    assert "FLT302" in shown


def test_concise_is_one_line_each() -> None:
    assert RENDERERS["concise"](ALL).splitlines() == [
        "a/fleet.toml:1:1: info[FLT102] nobody",
        'a/fleet.toml:3:2: error[FLT302] <50% of "amqp://shop:***@rabbit//": a,b & c (with --env a, b)',
        "a/fleet.toml:5:9: warning[FLT004] bad",
    ]
    assert RENDERERS["concise"]([PLAIN._replace(message="two\nlines")]).count("\n") == 1


def test_github_gets_one_workflow_command_for_each_finding() -> None:
    notice, error, warning = RENDERERS["github"](ALL).splitlines()
    assert notice.startswith(
        "::notice file=a/fleet.toml,line=1,endLine=1,col=1,endColumn=10,title=FLT102 unconsumed-queue::"
    )
    assert error.startswith("::error file=a/fleet.toml,line=3,")
    assert error.endswith("%0Ahelp: two%0Alines, amqp://a:***@h")
    assert "<50%25 of" in error
    assert warning.startswith("::warning file=a/fleet.toml,line=5,endLine=7,title=FLT004 invalid-value::")


def test_github_properties_can_not_be_broken_out_of() -> None:
    (line,) = github.render([PLAIN], "a,line=9::b\n.toml").splitlines()
    assert line.startswith("::notice file=a%2Cline=9%3A%3Ab%0A.toml,line=1,")


def test_gitlab_gets_one_entry_with_a_fingerprint_for_each_finding() -> None:
    entries = json.loads(RENDERERS["gitlab"](ALL))
    assert [entry["severity"] for entry in entries] == ["info", "critical", "minor"]
    for entry in entries:
        assert entry.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["location"]["path"] == "a/fleet.toml"
        assert entry["location"]["positions"]["begin"]["line"] >= 1


def test_gitlab_knows_a_mistake_again_when_lines_move_and_tells_two_apart() -> None:
    def fingerprints(found: list[Diagnostic]) -> list[str]:
        return [entry["fingerprint"] for entry in json.loads(RENDERERS["gitlab"](found))]

    moved = PLAIN._replace(span=Span(9, 1, 9, 5))
    assert fingerprints([PLAIN]) == fingerprints([moved])
    assert len(set(fingerprints([PLAIN, moved, FULL]))) == 3


def test_junit_has_a_failing_case_for_each_error() -> None:
    suites = ET.fromstring(RENDERERS["junit"](ALL))
    assert (suites.get("tests"), suites.get("failures")) == ("3", "1")
    cases = suites.findall("testsuite/testcase")
    assert [bool(case.findall("failure")) for case in cases] == [False, True, False]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("type") == "FLT302"
    assert "\ufffd" in (failure.text or "")  # XML can't hold the control characters
    strict = ET.fromstring(junit.render(ALL, "f", ("error", "warning")))
    assert strict.get("failures") == "2"


def test_junit_of_nothing_is_a_test_that_passed() -> None:
    suites = ET.fromstring(RENDERERS["junit"]([]))
    assert (suites.get("tests"), suites.get("failures")) == ("1", "0")


def test_sarif_results_refer_to_their_rules_and_places() -> None:
    log: dict[str, Any] = json.loads(RENDERERS["sarif"](ALL))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["FLT004", "FLT102", "FLT302"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])
    assert [result["level"] for result in run["results"]] == ["note", "error", "warning"]
    (change,) = run["results"][1]["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"]["text"] == "concurrency = 500\n"
    assert "a%20b" in sarif.render([PLAIN], "a b/fleet.toml", catalogue())


@pytest.mark.parametrize("found", [[], ALL])
def test_sarif_is_right_by_its_own_schema(found: list[Diagnostic]) -> None:
    schema = npm_file("@microsoft/jest-sarif", "1.0.0-beta.0", "package/lib/schemas/sarif-2.1.0-rtm.5.json")
    check = fastjsonschema.compile(json.loads(schema.read_text()))
    log = json.loads(RENDERERS["sarif"](found))
    check(log)
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        check({**log, "version": "2.0.0"})


def test_lines_over_several_rows_have_no_columns_at_github() -> None:
    assert not re.search("col=|endColumn=", github.render([OVER_LINES], "f"))
