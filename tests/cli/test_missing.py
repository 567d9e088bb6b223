"""A command without what it can't do without says what it may be given, and the shell completes that."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from fleet.cli import root
from fleet.cli.options import Failure
from fleet.cli.running.needed import Needed, listed
from tests.cli.invoke import fleet

FILE = """
[fleet]
app = "jobs"
[queues.mail]
workload = "io"
[queues.pictures]
workload = "cpu"
[[routes]]
task = "jobs.resize"
queue = "pictures"
[[routes]]
task = "*"
queue = "mail"
[workers.senders]
queues = ["mail"]
pool = "threads"
[workers.painters]
queues = ["pictures"]
pool = "prefork"
"""
SCHEDULES = """
[[schedules]]
task = "jobs.report"
cron = "0 3 * * *"
"""
NAMES = "there are: senders, painters"
BOTH = "groups: senders, painters; queues: mail, pictures"
RULES = "jobs.resize, *"
SAID = {
    "pause": BOTH,
    "resume": BOTH,
    "drain": NAMES,
    "scale": "as in senders=4; groups: senders, painters",
    "worker": NAMES,
    "send": RULES,
    "route": RULES,
    "bench": "name a task of the app; there are: jobs.resize",
    "schedule run": "there are: jobs.report",
    "schedule pause": "there are: jobs.report",
    "schedule resume": "there are: jobs.report",
    "schedule fire": "there are: jobs.report",
    "schedule preview": '"0 3 * * mon-fri"',
    "dead show": "name a dead message by its id; there are none",
    "dead retry": "name dead messages by their ids, or all of them by --all; there are none",
    "dead purge": "name dead messages by their ids, or all of them by --all; there are none",
    "delayed cancel": "name a delayed message by its id; there are none",
    "completion": "bash",
    "simulate": "name a LOAD to replay",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEET_FILE", raising=False)
    (tmp_path / "fleet.toml").write_text(FILE + SCHEDULES)
    (tmp_path / "jobs.py").write_text("from fleet import task\n@task\ndef resize(): ...\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "said"), SAID.items())
def test_a_missing_argument_is_answered_with_what_there_is(command: str, said: str) -> None:
    outcome = fleet(*command.split())
    assert outcome.code == 2
    assert said in outcome.err
    assert "Missing argument" not in outcome.err or command == "completion"


def test_without_a_schedule_the_answer_is_how_to_declare_one(folder: Path) -> None:
    (folder / "fleet.toml").write_text(FILE)
    assert "there are none: [[schedules]] in fleet.toml declares them" in fleet("schedule", "run").err


@pytest.mark.usefixtures("folder")
def test_ids_of_delayed_messages_are_told() -> None:
    sent = json.loads(fleet("send", "jobs.resize", "--delay", "1h", "--json").out)
    assert sent["ids"][0] in fleet("delayed", "cancel").err


def test_file_and_environment_are_heeded(folder: Path) -> None:
    other = folder / "other.toml"
    other.write_text(FILE.replace("senders", "posters") + '[env.x]\nworkers.posters.pool = "solo"\n')
    assert "there are: posters, painters" in fleet("drain", "-f", other, "--env", "x").err
    assert "nosuch" in fleet("drain", "-f", other, "--env", "nosuch").err


def test_a_wrong_file_is_shown_instead(folder: Path) -> None:
    (folder / "fleet.toml").write_text(FILE + "[nonsense]\n")
    outcome = fleet("drain")
    assert outcome.code != 0
    assert "FLT003" in outcome.err


def test_of_very_many_the_first_are_listed() -> None:
    assert listed("there are", [f"g{number}" for number in range(23)]).endswith("g18, g19 and 3 more")


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield f"{path}{name}", found
        if isinstance(found, click.Group):
            yield from commands(found, f"{path}{name} ")


def test_no_command_leaves_click_to_say_what_is_missing() -> None:
    bare = {
        name
        for name, command in commands(root)
        for each in command.params
        if isinstance(each, click.Argument) and each.required
        and not isinstance(each, Needed)
        and not isinstance(each.type, click.Choice)
    }  # fmt: skip
    assert bare == set()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "typed", "offered"),
    [
        (["pause"], "", ["senders", "painters"]),
        (["drain"], "pa", ["painters"]),
        (["scale"], "se", ["senders="]),
        (["schedule", "run"], "", ["jobs.report"]),
        (["send"], "", ["jobs.resize"]),
        (["bench"], "", []),
        (["drain", "-f", "nosuch.toml"], "", []),
    ],
)
def test_the_shell_is_offered_what_there_is(words: list[str], typed: str, offered: list[str]) -> None:
    shell = ShellComplete(root, {}, "fleet", "_FLEET_COMPLETE")
    assert [each.value for each in shell.get_completions(words, typed)] == offered


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_an_error_breaks_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = _Terminal()
    Failure("name a worker group, or a queue with --queue; groups: senders, painters").show(shown)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines) == (
        "Error: name a worker group, or a queue with --queue; groups: senders, painters"
    )
    piped = io.StringIO()
    Failure("x " * 100 + os.linesep).show(piped)
    assert len(piped.getvalue().rstrip().splitlines()) == 1
