"""`fleet logs`: which lines, of whom, in which order; and nothing lost or twice while following."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.log_files import Follower, Line, last_lines, recognise, select, sizes
from tests.support import ROOT, eventually

everything = select(None)


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http.0.1.log", ("http/0", 1, 0)),
        ("http.12.345.log.3", ("http/12", 345, 3)),
        ("a.b-c.0.1.log", ("a.b-c/0", 1, 0)),
        ("controller.log", ("controller", 0, 0)),
        ("controller.log.1", ("controller", 0, 1)),
        ("supervisord.log", None),
        ("http.0.log", None),
        ("http.0.1.log.gz", None),
    ],
)
def test_a_log_files_name_tells_its_slot_serial_and_age(
    name: str, expected: tuple[str, int, int] | None
) -> None:
    file = recognise(Path(name))
    assert (file and (file.slot, file.serial, file.age)) == expected


def test_a_group_a_replica_the_controller_or_everything() -> None:
    slots = ["http/0", "http/1", "http2/0", "controller"]
    chosen = {
        wanted: [slot for slot in slots if select(wanted)(slot)]
        for wanted in (None, "http", "http/1", "controller")
    }
    assert chosen == {None: slots, "http": slots[:2], "http/1": ["http/1"], "controller": ["controller"]}


def test_a_slot_reads_on_through_rotations_and_replacements(tmp_path: Path) -> None:
    for name in ("http.0.2.log.1", "http.0.10.log", "http.0.1.log", "http.0.2.log", "http.0.2.log.2"):
        write(tmp_path, name, name)
    lines = last_lines(tmp_path, everything, 100)
    assert texts(lines) == [
        "http.0.1.log",
        "http.0.2.log.2",
        "http.0.2.log.1",
        "http.0.2.log",
        "http.0.10.log",
    ]
    assert {line.slot for line in lines} == {"http/0"}


def test_slots_are_merged_by_time_and_lines_without_one_stay_with_theirs(tmp_path: Path) -> None:
    write(tmp_path, "a.0.1.log", "2026-01-01T00:00:01Z a1", "Traceback", "  File", "2026-01-01T00:00:05Z a5")
    write(tmp_path, "b.0.1.log", "print", "2026-01-01T00:00:03Z b3")
    shown = [line.text.rpartition(" ")[2] for line in last_lines(tmp_path, everything, 100)]
    assert shown == ["print", "a1", "Traceback", "File", "b3", "a5"]
    assert [line.text.rpartition(" ")[2] for line in last_lines(tmp_path, everything, 2)] == ["b3", "a5"]


@given(st.lists(st.text(alphabet="abc é", max_size=30), max_size=60), st.integers(0, 70), st.integers(1, 40))
def test_the_last_lines_are_the_last_lines(tmp_path_factory, lines: list[str], count: int, step: int) -> None:
    from fleet import log_files as logfiles

    folder = tmp_path_factory.mktemp("logs")
    write(folder, "a.0.1.log", *lines)
    before, logfiles._READ_BYTES = logfiles._READ_BYTES, step
    try:
        shown = texts(last_lines(folder, everything, count))
    finally:
        logfiles._READ_BYTES = before
    assert shown == lines[len(lines) - min(count, len(lines)) :]


def test_logs_of_a_folder_that_is_not_there_are_empty(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none", everything, 10) == []
    assert list(Follower(tmp_path / "none", everything, {}).read()) == []


def test_following_continues_where_the_last_lines_ended(tmp_path: Path) -> None:
    write(tmp_path, "a.0.1.log", "1", "2")
    ends = sizes(tmp_path, everything)
    write(tmp_path, "a.0.1.log", "3")
    assert texts(last_lines(tmp_path, everything, 10, ends)) == ["1", "2"]
    follower = Follower(tmp_path, everything, ends)
    assert texts(list(follower.read())) == ["3"]
    write(tmp_path, "a.0.1.log", "4")
    write(tmp_path, "a.0.2.log", "5")
    write(tmp_path, "b.0.1.log", "6")
    assert sorted(texts(list(follower.read()))) == ["4", "5", "6"]
    assert list(follower.read()) == []


def test_following_a_rotation_loses_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.0.1.log", "1")
    follower = Follower(tmp_path, everything, {})
    assert texts(list(follower.read())) == ["1"]
    write(tmp_path, "a.0.1.log", "2")
    path.rename(tmp_path / "a.0.1.log.1")
    write(tmp_path, "a.0.1.log", "3")
    assert texts([*follower.read(), *follower.read()]) == ["2", "3"]


def test_following_waits_for_the_end_of_a_line_but_not_for_ever(tmp_path: Path) -> None:
    path = write(tmp_path, "a.0.1.log")
    follower = Follower(tmp_path, everything, {})
    path.write_text("half")
    assert list(follower.read()) == []
    with path.open("a") as file:
        file.write(" and half\nlast")
    assert texts(list(follower.read())) == ["half and half"]
    assert texts(list(follower.close())) == ["last"]


def test_following_a_file_that_goes_away(tmp_path: Path) -> None:
    path = write(tmp_path, "a.0.1.log", "1")
    follower = Follower(tmp_path, everything, {})
    assert texts(list(follower.read())) == ["1"]
    path.unlink()
    assert list(follower.read()) == []
    write(tmp_path, "a.0.1.log", "new")
    assert texts(list(follower.read())) == ["new"]


@pytest.fixture
def project(short_folder: Path) -> Path:
    (short_folder / "fleet.toml").write_text('[fleet]\nname = "x"\napp = "y"\n')
    (short_folder / ".fleet" / "logs").mkdir(parents=True)
    return short_folder


def fleet_logs(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet", "logs", "--file", str(project / "fleet.toml"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_logs_merges_lines_of_all_slots_by_their_time(project: Path) -> None:
    logs = project / ".fleet" / "logs"
    write(logs, "http.0.1.log", "2026-01-01T00:00:01Z one", "2026-01-01T00:00:03Z three")
    write(logs, "controller.log", "2026-01-01T00:00:02Z two")
    shown = fleet_logs(project)
    assert shown.returncode == 0
    assert [line.split("Z ") for line in shown.stdout.splitlines()] == [
        ["http/0     | 2026-01-01T00:00:01", "one"],
        ["controller | 2026-01-01T00:00:02", "two"],
        ["http/0     | 2026-01-01T00:00:03", "three"],
    ]
    assert fleet_logs(project, "http/0", "-n", "1").stdout == "http/0     | 2026-01-01T00:00:03Z three\n"


def test_logs_of_nobody_exits_2_and_says_whose_there_are(project: Path) -> None:
    none = fleet_logs(project)
    assert (none.returncode, none.stdout) == (2, "")
    assert "no logs yet" in none.stderr
    write(project / ".fleet" / "logs", "http.0.1.log", "x")
    unknown = fleet_logs(project, "htp")
    assert unknown.returncode == 2
    assert "no logs of 'htp'; there are: http/0" in unknown.stderr


def test_follow_and_a_reader_that_leaves(project: Path) -> None:
    path = write(project / ".fleet" / "logs", "http.0.1.log", "old")
    out = project / "out"
    with out.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleet", "logs", "--file", str(project / "fleet.toml"), "-f", "-n", "1"],
            cwd=ROOT,
            stdout=stdout,
        )
    try:
        eventually(lambda: "old" in out.read_text())
        write(path.parent, path.name, "new \x1b[1m é")
        eventually(lambda: "new" in out.read_text())
    finally:
        process.terminate()
        process.wait()
    assert out.read_text() == "http/0     | old\nhttp/0     | new \\x1b[1m é\n"


def test_a_quiet_folder_is_not_listed_again_and_a_new_file_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "http.0.1.log").write_text("one\n")
    long_ago = 1_000_000_000
    os.utime(tmp_path, (long_ago, long_ago))
    listed: list[object] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(folder) or scan(folder))  # type: ignore[func-returns-value]
    follower = Follower(tmp_path, everything, {})
    assert [line.text for line in follower.read()] == ["one"]
    with (tmp_path / "http.0.1.log").open("a") as log:
        log.write("two\n")
    assert [line.text for line in follower.read()] == ["two"]
    assert len(listed) == 1
    (tmp_path / "http.1.1.log").write_text("three\n")
    assert [line.text for line in follower.read()] == ["three"]
