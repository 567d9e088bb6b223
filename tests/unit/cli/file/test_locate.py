"""A running fleet is found by its file, whatever state the file is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.cli.file.locate import locate
from fleet.cli.options import Failure


def write(folder: Path, text: str) -> Path:
    file = folder / "fleet.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ".fleet"),
        ('[fleet]\nname = "shop"\n', ".fleet"),
        ('[fleet]\nstate_dir = "run"\n', "run"),
        ('[fleet]\nstate_dir = "${UNSET_HERE:-var}/x"\n', "var/x"),
        ('[fleet]\nstate_dir = "run"\n[workers.a]\npool = 7\n', "run"),
        ('[fleet]\nstate_dir = "run"  # here\n[workers.a\n', "run"),
        ("[fleet]\nstate_dir = 'run'\n= oops\n", "run"),
        ('[other]\nstate_dir = "no"\n= oops\n', ".fleet"),
        ("[fleet]\nstate_dir = 7\n", ".fleet"),
        ("fleet = 3\n", ".fleet"),
    ],
)
def test_the_state_dir_is_read_from_valid_and_broken_files(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, text)
    assert locate(file) == (file, type(locate(file)[1])(tmp_path / expected))


def test_an_absolute_state_dir_and_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE", "/var/lib/shop")
    file = write(tmp_path, '[fleet]\nstate_dir = "${STATE}"\n[env.staging.fleet]\nstate_dir = "staging"\n')
    assert locate(file)[1].root == Path("/var/lib/shop")
    assert locate(file, "staging")[1].root == tmp_path / "staging"


def test_the_file_is_looked_for_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEET_FILE", raising=False)
    file = write(tmp_path, "")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert locate(None)[0] == file
    monkeypatch.setenv("FLEET_FILE", str(write(below, "")))
    assert locate(None)[0] == below / "fleet.toml"


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="gone"):
        locate(tmp_path / "gone.toml")
