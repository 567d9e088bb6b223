"""Who rings writes into FIFOs only, whatever somebody has put into the folder under a listener's name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.broker.sqlite.wake import Listener, ring

PREFIX = hashlib.sha256(b"q").hexdigest()[:16]


def planted_link(bell: Path, precious: Path) -> None:
    bell.symlink_to(precious)


def planted_file(bell: Path, precious: Path) -> None:
    bell.hardlink_to(precious)


def planted_link_to_fifo(bell: Path, precious: Path) -> None:
    fifo = precious.with_name("fifo")
    os.mkfifo(fifo)
    bell.symlink_to(fifo)


@pytest.mark.parametrize("plant", [planted_link, planted_file, planted_link_to_fifo])
def test_what_is_no_fifo_is_left_alone(plant: Callable[[Path, Path], None], tmp_path: Path) -> None:
    folder, precious = tmp_path / "broker.db.wake", tmp_path / "precious"
    precious.write_text("precious")
    folder.mkdir()
    plant(folder / f"{PREFIX}.evil", precious)
    for _ in range(3):
        ring(folder, {"q": 10})
    assert precious.read_text() == "precious"
    assert os.path.lexists(folder / f"{PREFIX}.evil")


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.mkfifo(elsewhere / f"{PREFIX}.bell")  # without a reader: to ring would remove it
    (tmp_path / "broker.db.wake").symlink_to(elsewhere)
    ring(tmp_path / "broker.db.wake", {"q": 1})
    assert (elsewhere / f"{PREFIX}.bell").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file away")
def test_the_fifo_of_a_third_user_is_not_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "broker.db.wake"
    folder.mkdir()
    bell = folder / f"{PREFIX}.bell"
    os.mkfifo(bell)
    os.chown(bell, 65534, -1)
    reader = os.open(bell, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ring(folder, {"q": 1})
        assert os.read(reader, 1) == b""  # no writer, and nothing written
        os.chown(folder, 65534, -1)  # now it is the folder's owner's
        ring(folder, {"q": 1})
        assert os.read(reader, 1) == b"\0"
    finally:
        os.close(reader)


def test_a_listener_is_rung(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "broker.db.wake")
    try:
        listener.start(["q"])
        ring(tmp_path / "broker.db.wake", {"q": 1})
        assert os.read(listener.fileno, 1) == b"\0"
    finally:
        listener.close()
