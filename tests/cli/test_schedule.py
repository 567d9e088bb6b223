"""`fleet schedule` of a fleet that does not run: what the file says, and what an expression means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.cli import root

FILE = """\
[fleet]
name = "shop"
app = "tasks"
[queues.q]
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
pool = "solo"
[[schedules]]
name = "hourly"
task = "tasks.h"
every = "1h"
[[schedules]]
name = "often"
task = "tasks.o"
every = "20m"
[[schedules]]
name = "off"
task = "tasks.off"
every = "10m"
enabled = false
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleet.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["schedule", *arguments])


def test_next_is_one_timeline_of_all_that_are_enabled(folder: Path) -> None:
    done = said("next", "-n", "4", "--json")
    assert done.exit_code == 0, done.output
    names = [each["name"] for each in json.loads(done.output)]
    assert sorted(names) == ["hourly", "often", "often", "often"]
    assert "off" in said("next", "off").output


def test_list_shows_five_next_runs_and_that_nothing_has_run_yet(folder: Path) -> None:
    found = {each["name"]: each for each in json.loads(said("list", "--json").output)["schedules"]}
    assert {name: len(each["next"]) for name, each in found.items()} == {"hourly": 5, "often": 5, "off": 0}
    assert found["often"]["last"] is None
    table = said("list").output
    assert "every 20m" in table
    assert "disabled" in table


def test_a_pipe_gets_whole_names(folder: Path) -> None:
    name = "shop.reports.nightly-for-everybody-who-still-waits"
    text = FILE.replace(
        'tasks.o"', 'tasks.o"\ncron = "0 4 * * mon-fri"\ntimezone = "America/Argentina/Buenos_Aires"'
    )
    (folder / "fleet.toml").write_text(text.replace('"often"', f'"{name}"').replace('every = "20m"\n', ""))
    assert name in said("list").output


def test_preview_shows_what_a_skipped_hour_becomes(folder: Path) -> None:
    done = said(
        "preview", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2027-03-27", "-n", "3", "--json"
    )
    runs = json.loads(done.output)
    assert [each["local"][:19] for each in runs] == [
        "2027-03-27T02:30:00",
        "2027-03-28T03:00:00",
        "2027-03-29T02:30:00",
    ]
    assert said("preview", "0 0 31 2 *").output == "never\n"
    assert said("preview", "nonsense").exit_code == 2


@pytest.mark.parametrize("verb", ["run", "pause", "resume"])
def test_what_needs_a_running_fleet_says_so(folder: Path, verb: str) -> None:
    done = said(verb, "often")
    assert done.exit_code == 3
    assert "fleet up" in done.output
