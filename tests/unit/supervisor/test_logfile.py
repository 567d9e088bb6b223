"""Log files rotate, remember their end, and never raise."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fleet.supervisor.logfile import LONGEST_LINE, TAIL_BYTES, TAIL_LINES, RotatedLog


def test_a_log_is_in_order_over_its_rotations(tmp_path: Path) -> None:
    log = RotatedLog(str(tmp_path / "x.log"), max_bytes=10, backups=3)
    for number in range(6):
        log.write(b"%09d\n" % number)
    log.close()
    assert [(tmp_path / f"x.log{end}").read_text() for end in (".3", ".2", ".1", "")] == [
        f"{number:09d}\n" for number in (2, 3, 4, 5)
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_goes_on_after_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"before\n")
    log = RotatedLog(str(path), max_bytes=8)
    log.write(b"1\n")
    log.write(b"2\n")
    assert (tmp_path / "x.log.1").read_bytes() == b"before\n1\n"
    assert path.read_bytes() == b"2\n"
    assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_is_gone_is_survived_and_a_new_one_used(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "x.log"
    log = RotatedLog(str(path), max_bytes=4)
    log.write(b"lost\n")
    path.parent.mkdir()
    log.write(b"kept\n")
    path.unlink()
    path.parent.rmdir()
    log.write(b"lost\n")
    path.parent.mkdir()
    log.write(b"again\n")
    assert path.read_bytes() == b"again\n"
    assert log.tail() == ("lost", "kept", "lost", "again")


def test_closing_reopens_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = RotatedLog(str(path))
    log.write(b"1\n")
    path.rename(tmp_path / "moved")
    log.close()
    log.write(b"2\n")
    assert path.read_bytes() == b"2\n"


@given(st.lists(st.binary(max_size=3000), max_size=12))
def test_the_tail_is_the_end_and_small(chunks: list[bytes]) -> None:
    log = RotatedLog("/nonexistent/x.log")
    for chunk in chunks:
        log.write(chunk)
    tail = log.tail()
    assert len(tail) <= TAIL_LINES
    assert all(len(line) <= LONGEST_LINE for line in tail)
    whole = b"".join(chunks)
    if len(whole) < TAIL_BYTES:
        lines = whole.decode(errors="replace").splitlines()
        assert tail == tuple(line[:LONGEST_LINE] for line in lines[-TAIL_LINES:])
    log.forget_tail()
    assert log.tail() == ()
