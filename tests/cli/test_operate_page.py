"""docs/how-to/operate.md: commands that exist, and words that fleet really says."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from fleet.cli import root
from tests.support import ROOT

PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text()
IN_BLOCKS = re.findall(r"^    (fleet \w.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
IN_TEXT = re.findall(r"`(fleet \w[^`]*)`", PAGE.replace("\n", " "))


@pytest.mark.parametrize("command", sorted({*IN_BLOCKS, *IN_TEXT}))
def test_every_command_on_the_page_can_be_given(command: str) -> None:
    _, *arguments = shlex.split(command)
    context = click.Context(root)
    found: click.Command = root
    while isinstance(found, click.Group):
        name = arguments.pop(0)
        group = found.get_command(context, name)
        assert group is not None, f"there is no {name}"
        found = group
    if arguments or command in IN_BLOCKS:  # else it is only spoken of
        found.make_context(command, arguments)


def test_what_one_sees_is_what_is_said() -> None:
    code = "".join(path.read_text() for path in (ROOT / "fleet").glob("c*/**/*.py"))
    for words in (
        "the file is invalid, the fleet runs the last good configuration",
        "can't start",
        "keeps crashing",
        "the broker can't be reached",
        "without broker",
        "the controller does not answer",
        "crashes in the last ten minutes",
    ):
        assert words in PAGE
        assert words in code
