"""As many findings as mistakes: none is missed, none follows from another."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from fleet.config.load import Loaded, check
from fleet.config.source import from_bytes
from tests.unit.rules.fixtures import a_machine

THIRTY = (Path(__file__).parent / "thirty.toml").read_text(encoding="utf-8")


def of(text: str) -> Loaded:
    return check(
        from_bytes(text.encode(), Path(__file__).parent / "fleet.toml"), environ={}, machine=a_machine()
    )


def marked(text: str) -> list[tuple[int, str]]:
    """(line, code) of each `#! CODE`."""
    return [
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"#! (FLT\d+)", line)
    ]


def test_thirty_mistakes_of_all_kinds_give_thirty_findings_in_order() -> None:
    expected = marked(THIRTY)
    assert len(expected) == 30
    assert [(each.span.line, each.code) for each in of(THIRTY).diagnostics] == expected


def test_each_finding_of_the_thirty_says_what_to_do() -> None:
    for each in of(THIRTY).diagnostics:
        assert each.help, each
        assert len(each.message) < 160, each.message


@pytest.mark.parametrize("seed", range(8))
def test_mistakes_do_not_hide_each_other(seed: int) -> None:
    """Whichever lines with a mistake of their own are taken out: the rest is found as before."""
    removable = {"FLT304", "FLT502", "FLT010", "FLT310", "FLT007", "FLT106"}
    chance = random.Random(seed)
    text = "".join(
        line
        for line in THIRTY.splitlines(keepends=True)
        if not (set(re.findall(r"FLT\d+", line)) & removable and chance.random() < 0.5)
    )
    assert [(each.span.line, each.code) for each in of(text).diagnostics] == marked(text)


def test_an_attribute_is_not_a_key() -> None:
    """What the file calls [fleet] the models call `project`."""
    text = '[fleet]\napp = "shop.tasks"\n[project]\nname = "shop"\n[lint]\nignore = ["FLT713"]\n'
    found = of(text).diagnostics
    assert [(each.code, each.span.line) for each in found] == [("FLT003", 3)]
