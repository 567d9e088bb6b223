"""The state directory goes where its link leads, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.release_link import LEFT, follow, has_moved
from fleet.statedir import StateDir


@pytest.fixture
def current(tmp_path: Path) -> Path:
    for number in "12":
        (tmp_path / "releases" / number / "app").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/2")
    return tmp_path / "current"


def old(current: Path, below: str = "") -> Path:
    home = current.parent / "releases" / "1" / below / ".fleet"
    home.mkdir(parents=True)
    (home / "fleet.lock").write_text("7\n")
    return home


@pytest.mark.parametrize("below", ["", "app"])
def test_it_follows_a_link_at_any_level(current: Path, below: str) -> None:
    home, state = old(current, below), StateDir(current / below / ".fleet")
    assert has_moved(state, home)
    assert follow(state, home)
    assert state.lock.read_text() == "7\n"
    assert not home.exists()
    assert not follow(state, state.root.resolve()), "it is there"
    assert not follow(state, home), "and whoever comes second does no harm"


def test_what_lay_there_is_kept_aside(current: Path) -> None:
    home, state = old(current), StateDir(current / ".fleet")
    state.root.mkdir()
    (state.root / "broker.db").write_text("sent before")
    assert follow(state, home)
    (left,) = (state.root / LEFT).iterdir()
    assert (left / "broker.db").read_text() == "sent before"
    assert state.lock.read_text() == "7\n"


def test_a_release_that_is_not_there_yet_is_waited_for(current: Path) -> None:
    home = old(current)
    (current.parent / "releases" / "2" / "app").rmdir()
    (current.parent / "releases" / "2").rmdir()
    assert not follow(StateDir(current / ".fleet"), home)
    assert (home / "fleet.lock").exists()


def test_who_moves_or_replaces_the_directory_itself_meant_that(current: Path, tmp_path: Path) -> None:
    home = old(current)
    renamed = home.rename(home.with_name(".fleet.bak"))
    assert not has_moved(StateDir(current / ".fleet"), renamed)
    plain = tmp_path / "plain" / ".fleet"
    assert not has_moved(StateDir(plain), tmp_path / "elsewhere" / ".fleet"), "no link on the way"
    (current / ".fleet").symlink_to(tmp_path / "var")
    assert not has_moved(StateDir(current / ".fleet"), tmp_path / "releases" / "1" / ".fleet")
