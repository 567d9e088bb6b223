"""Ten files that a newcomer could write, as `fleet validate` shows them on 80 columns: read them when they change.

After a wanted change, `python -m tests.unit.rules.test_newcomers` writes what is shown anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.config.load import Loaded, check
from fleet.config.source import Source, from_bytes
from fleet.diagnostics.text import Style, render
from tests.unit.rules.fixtures import a_machine

FOLDER = Path(__file__).parent / "newcomers"
FILES = sorted(FOLDER.glob("*.toml"))


def loaded(path: Path) -> Loaded:
    source = from_bytes(path.read_bytes(), path)
    return check(Source(source.path, source.text, path.name), environ={}, machine=a_machine())


def shown(path: Path, *, colour: bool = False) -> str:
    found = loaded(path)
    return render(found.diagnostics, found.source.text, path.name, Style(width=80, colour=colour))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_page_for_a_newcomers_file_is_the_one_that_was_read(path: Path) -> None:
    text = shown(path)
    assert text == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_finding_says_what_to_do(path: Path) -> None:
    for each in loaded(path).diagnostics:
        assert each.help or each.code == "FLT001", each.message


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_report_in_colour_says_the_same_as_one_without(path: Path) -> None:
    assert re.sub(r"\x1b\[[\d;]*m", "", shown(path, colour=True)) == shown(path)


if __name__ == "__main__":
    for file in FILES:
        file.with_suffix(".txt").write_text(shown(file), encoding="utf-8")
