"""Where sockets lie when the folder is deep, and what is done with what others have put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet import statedir
from fleet.statedir import StateDir

DEEP = "d" * 120


def test_the_place_of_sockets_does_not_depend_on_who_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDir(tmp_path / DEEP)
    places = set()
    for folder in ("/tmp", str(tmp_path), "/nowhere"):
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", None)
        places.add((state.api_socket, state.supervisor_socket, state.control_socket, state.handed_socket))
    assert len(places) == 1


def test_at_every_depth_supervisord_can_bind_its_socket(short_folder: Path) -> None:
    """Whatever its pid is: that stands behind the name at first. It was one letter too long with five digits."""
    for depth in range(120 - len(str(short_folder))):
        state = StateDir(short_folder / ("d" * (depth + 1)))
        bound = f"{state.supervisor_socket}.4194304"
        assert len(bound) < 108, bound


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    """Its sockets lie in a stand-in for /tmp."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(statedir, "_TEMPORARY", temporary)
    return StateDir(tmp_path / DEEP)


def test_folders_are_private(deep: StateDir) -> None:
    deep.create()
    deep.create()
    for folder in (deep.root, deep.api_socket.parent, deep.api_socket.parent.parent, deep.logs):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("level", [0, 1])
def test_a_planted_link_is_neither_followed_nor_changed(deep: StateDir, tmp_path: Path, level: int) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o755)
    precious.chmod(0o755)
    planted = deep.api_socket.parents[1 - level]
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(precious)
    with pytest.raises(PermissionError, match="remove it"):
        deep.create()
    assert precious.stat().st_mode & 0o777 == 0o755
    assert not list(precious.iterdir()) or level == 0


@pytest.mark.skipif(os.getuid() != 0, reason="gives a folder away")
def test_a_folder_of_somebody_else_is_refused(deep: StateDir) -> None:
    planted = deep.api_socket.parents[1]
    planted.mkdir(parents=True)
    os.chown(planted, 65534, -1)
    with pytest.raises(PermissionError, match="belongs to uid 65534"):
        deep.create()


def test_what_lies_in_the_state_directory_may_be_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "var-log"
    elsewhere.mkdir()
    elsewhere.chmod(0o755)
    (tmp_path / ".fleet").mkdir(mode=0o700)
    (tmp_path / ".fleet" / "logs").symlink_to(elsewhere)
    StateDir(tmp_path / ".fleet").create()
    assert mode(elsewhere) == 0o755, "fleet has not made it"


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o7777


@pytest.mark.parametrize("found", [0o1777, 0o777, 0o775])
def test_a_folder_that_others_may_write_into_is_refused_and_left_alone(tmp_path: Path, found: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    temporary.chmod(found)
    with pytest.raises(PermissionError, match="a folder that does not exist yet"):
        StateDir(temporary).create()
    assert mode(temporary) == found
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("found", [0o755, 0o750, 0o711, 0o700])
def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path, found: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(found)
    state = StateDir(home)
    for _ in range(2):
        state.create()
        assert mode(home) == found
    assert {mode(folder) for folder in (state.logs, state.specs, state.api_socket.parent)} == {0o700}


def test_folders_of_others_below_it_are_not_taken_over(tmp_path: Path) -> None:
    """`state_dir = "/"`: /run is everybody's."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(PermissionError, match="others may look into it"):
        StateDir(tmp_path).create()
    assert mode(tmp_path / "run") == 0o755
    assert [each.name for each in tmp_path.iterdir()] == ["run"]


def test_other_users_are_let_through_only_where_fleet_has_made_the_folder(tmp_path: Path) -> None:
    ours, given = StateDir(tmp_path / "ours"), StateDir(tmp_path / "given")
    given.root.mkdir(mode=0o700)
    for state in (ours, given):
        state.create()
    ours.open_to_others()
    ours.create()
    assert mode(ours.root) == mode(ours.handed) == 0o711
    with pytest.raises(PermissionError, match=f"chmod 711 {given.root}"):
        given.open_to_others()
    assert mode(given.root) == 0o700
    given.root.chmod(0o711)
    given.open_to_others()
    assert mode(given.handed) == 0o711
