"""Every rule has its explanation and its two files, and finds exactly what the bad one says."""

from __future__ import annotations

import re

import pytest

from fleet.rules import catalogue
from fleet.rules.registry import found_by_loader
from tests.unit.rules.fixtures import CODES, FOLDER, expected, found


def test_every_rule_has_its_files_and_every_folder_its_rule() -> None:
    assert list(catalogue()) == CODES


@pytest.mark.parametrize("code", CODES)
def test_the_good_file_is_clean(code: str) -> None:
    assert found(FOLDER / code / "good.toml") == []


@pytest.mark.parametrize("code", CODES)
def test_the_bad_file_gives_exactly_its_findings(code: str) -> None:
    path = FOLDER / code / "bad.toml"
    assert found(path) == expected(path)
    assert all(line.split()[1] == code for line in expected(path))


@pytest.mark.parametrize("code", CODES)
def test_the_explanation_says_what_why_and_how(code: str) -> None:
    rule = catalogue()[code]
    summary, why, *rest = rule.explanation.split("\n\n")
    assert len(summary) <= 80
    assert len(why) > 80
    assert re.search(r"^Bad\b", "\n".join(rest), re.MULTILINE)
    assert re.search(r"^Good\b", "\n".join(rest), re.MULTILINE)


def test_names_and_codes_are_unique_and_well_formed() -> None:
    rules = catalogue().values()
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"FLT\d{3}", rule.code)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
        assert (
            rule.subject[0]
            == {
                "0": "s",
                "1": "q",
                "2": "r",
                "3": "p",
                "4": "c",
                "5": "r",
                "6": "s",
                "7": "o",
                "8": "s",
                "9": "b",
            }[rule.code[3]]
        )


def test_a_code_cannot_be_used_twice() -> None:
    catalogue()
    with pytest.raises(ValueError, match="FLT302 is taken by green-pool-default-concurrency"):
        found_by_loader("FLT302", "another", "error")(test_a_code_cannot_be_used_twice)  # type: ignore[arg-type]
