"""The command itself: what it lists, what it says to a mistyped verb, what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet import __distribution__, __version__
from fleet.cli import COMMANDS, main
from tests.cli.invoke import fleet


def test_version_names_distribution_and_version() -> None:
    assert fleet("--version").out == f"fleet {__version__} ({__distribution__})\n"
    ran = subprocess.run(
        [sys.executable, "-m", "fleet", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"fleet {__version__} ({__distribution__})\n"


def test_help_lists_only_what_is_there_in_order() -> None:
    outcome = fleet("--help")
    assert outcome.code == 0
    listed = [
        line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines() if line.strip()
    ]
    assert listed == [name for name in COMMANDS if name in listed]
    assert {"init", "validate", "explain", "schema"} <= set(listed)


@pytest.mark.parametrize("verb", ["init", "validate", "explain", "schema"])
def test_every_verb_has_help(verb: str) -> None:
    outcome = fleet(verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: fleet {verb}")


def test_a_mistyped_verb_exits_2_and_is_guessed() -> None:
    outcome = fleet("valdiate")
    assert outcome.code == 2
    assert "did you mean `fleet validate`?" in outcome.err


def test_windows_is_refused_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit, match="fleet needs Linux or macOS"):
        main([])


def test_a_reader_that_has_gone_is_no_mistake() -> None:
    ran = subprocess.run(
        f"{sys.executable} -m fleet schema | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "{\n"
    assert ran.stderr == ""


def test_importing_the_command_loads_click_and_nothing_else() -> None:
    script = "import sys, fleet.cli; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in ran.stdout.split()}
    outside = packages - set(sys.stdlib_module_names) - {"fleet", "__main__"}
    assert {name for name in outside if not name.startswith("_")} == {"click"}


def test_an_option_before_its_command_is_answered_with_where_it_goes() -> None:
    for option, example in (("-f", "-f FILE"), ("--env", "--env NAME"), ("--json", "--json")):
        outcome = fleet(option, "x", "status")
        assert outcome.code == 2
        assert f"{option} goes behind the command, as in `fleet status {example}`" in outcome.err
    assert "No such option" in fleet("--nosuch", "status").err


def test_a_command_line_of_celery_is_answered_with_what_takes_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = fleet("-A", "proj", "worker", "-l", "info")
    assert outcome.code == 2
    assert "`fleet init --from celery -A proj worker -l info` writes one" in outcome.err
    (tmp_path / "proj.py").write_text("from celery import Celery\napp = Celery('proj')\n")
    monkeypatch.chdir(tmp_path)
    assert fleet("init", "--from", "celery", "-A", "proj", "worker", "-l", "info").code == 0
    assert (tmp_path / "fleet.toml").exists()


def test_scale_with_the_number_apart_is_answered_with_how_it_is_written() -> None:
    outcome = fleet("scale", "w", "3")
    assert (outcome.code, outcome.err) == (2, "Error: w 3: expected GROUP=N, as in w=3\n")


def test_a_folder_for_a_file_is_answered_with_the_file_in_it(tmp_path: Path) -> None:
    for command in (("status", "-f"), ("validate",), ("up", "-f"), ("dead", "list", "-f")):
        outcome = fleet(*command, tmp_path)
        assert outcome.code == 2
        assert (
            f"{tmp_path} is a folder without a fleet.toml: `fleet init {tmp_path}` writes one" in outcome.err
        )
    (tmp_path / "fleet.toml").write_text("")
    for command in (("status", "-f"), ("validate",)):
        assert f"is a folder; the file in it is {tmp_path / 'fleet.toml'}" in fleet(*command, tmp_path).err
