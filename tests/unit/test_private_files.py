"""What lies under the name of a private file is opened only if it is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.private_files import open_private
from fleet.statedir import StateDir
from fleet.supervisor import lock
from fleet.supervisor.logfile import RotatedLog

WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    file = tmp_path / "precious"
    file.write_text("precious")
    return file


def test_a_file_of_ours_is_made_private_and_truncated(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for _ in range(2):
        descriptor = open_private(file, WRITE)
        os.write(descriptor, b"new")
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("flags", [WRITE, os.O_RDONLY, os.O_WRONLY | os.O_APPEND])
def test_a_link_is_not_followed(tmp_path: Path, precious: Path, flags: int) -> None:
    (tmp_path / "planted").symlink_to(precious)
    with pytest.raises(OSError, match="planted"):
        open_private(tmp_path / "planted", flags)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_a_fifo_does_not_make_it_wait(tmp_path: Path, flags: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(PermissionError, match="no regular file"):
        open_private(tmp_path / "fifo", flags)


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away")
def test_the_file_or_folder_of_somebody_else_is_not_written(tmp_path: Path, precious: Path) -> None:
    os.chown(precious, 65534, -1)
    with pytest.raises(PermissionError, match="belongs to uid 65534"):
        open_private(precious, WRITE)
    assert precious.read_text() == "precious"
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, -1)
    with pytest.raises(PermissionError, match="belongs to uid 65534"):
        open_private(folder / "new", WRITE)
    assert not list(folder.iterdir())
    os.close(open_private(precious, os.O_RDONLY, anybodys=True))


def test_a_log_is_not_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    log = RotatedLog(str(tmp_path / "http.0.1.log"))
    log.path.symlink_to(precious)
    log.write(b"line\n")
    assert precious.read_text() == "precious"
    assert log.tail() == ("line",)
    log.path.unlink()
    log.write(b"again\n")
    assert log.path.read_text() == "again\n"
    log.close()


def test_a_lock_is_neither_taken_nor_looked_at_through_a_link(tmp_path: Path, precious: Path) -> None:
    state = StateDir(tmp_path / ".fleet")
    state.create()
    state.lock.symlink_to(precious)
    with pytest.raises(OSError, match=r"fleet\.lock"):
        lock.take(state)
    with pytest.raises(OSError, match=r"fleet\.lock"):
        lock.holder(state)
    assert precious.read_text() == "precious"
