"""What `fleet --help` and the help of each command look like on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from fleet.cli import root
from tests.cli.invoke import fleet


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    yield before
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, *before, name)
        else:
            yield (*before, name)


@pytest.mark.parametrize("command", list(commands(root)), ids=" ".join)
def test_help_fits_80_columns_and_is_whole(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = fleet(*command, "--help").out
    assert not [line for line in shown.splitlines() if len(line) > 80]
    assert not [line for line in shown.splitlines() if line.endswith("...") and "Usage:" not in line]
    assert "RANGE" not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dead", "list", "--limit", "0"), "0 is too small: give 1 or more"),
        (("send", "t", "--count", "-1"), "-1 is too small: give 1 or more"),
        (("logs", "-n", "few"), "'few' is no whole number: give 0 or more"),
        (("validate", "--cpus", "0"), "0 is too small: give 1 or more"),
    ],
)
def test_a_number_out_of_range_says_which_are_right(arguments: tuple[str, ...], said: str) -> None:
    outcome = fleet(*arguments)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.parametrize(
    ("verb", "own"),
    [
        ("worker", "fleet up"),
        ("start", "fleet up"),
        ("stop", "fleet down"),
        ("ps", "fleet status"),
        ("purge", "fleet dead purge"),
        ("inspect", "fleet status"),
        ("Inspect", "fleet status"),
    ],
)
def test_a_verb_of_another_tool_is_answered_with_ours(verb: str, own: str) -> None:
    outcome = fleet(verb, "-A", "shop")
    assert outcome.code == 2
    assert f"`{own}" in outcome.err


def test_answers_name_only_commands_that_there_are() -> None:
    import re

    from fleet.cli.foreign_verbs import ANSWERS

    ours = set(root.list_commands(click.Context(root)))
    for verb, answer in ANSWERS.items():
        assert verb not in ours, "would never be answered"
        named = set(re.findall(r"`fleet ([a-z]+)", answer))
        assert named <= ours
        assert named or "`fleet --" in answer
