"""The embedded broker where its file lives: many processes, disks that are full or read-only, and its size."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import open_store
from fleet.broker.sqlite import file as sqlite_file
from fleet.broker.sqlite.store import SqliteStore
from fleet.spec import BrokerSpec
from tests.integration.broker.stores import bodies, postings, tags
from tests.support import ROOT

PAGE = "x" * 4000

# Publishes its own messages one by one, and works off whatever there is, until nothing is left of anybody's.
BUSY = """
import sys
from pathlib import Path
from fleet.broker.sqlite import file as sqlite_file
from fleet.broker.sqlite.store import SqliteStore
from tests.integration.broker.stores import postings, tags

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = SqliteStore(path, owner=name)
for number in range(count):
    store.publish(postings("q", f"{name}-{number}"))
    claims = store.reserve(["q"], 1)
    store.renew()
    print(*[claim.message.body.decode() for claim in claims], flush=True)
    assert store.ack(tags(claims)) == len(claims)
store.close()
"""


def test_many_processes_at_once_never_see_a_locked_file(tmp_path: Path) -> None:
    processes, count = 6, 40
    path = tmp_path / "broker.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY, path, f"p{number}", str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * processes, "\n".join(err for _, err in ended)
    store = SqliteStore(path, owner="last")
    done = Counter(" ".join([out for out, _ in ended]).split() + bodies(store.reserve(["q"], 1000)))
    assert done == Counter(f"p{process}-{number}" for process in range(processes) for number in range(count))
    store.close()


def test_a_batch_is_one_commit_and_one_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(sqlite_file, "_flush", flushed.append)
    store = SqliteStore(tmp_path / "broker.db", owner="w")
    said: list[str] = []
    store._file._db.set_trace_callback(said.append)
    store.publish(postings("q", *map(str, range(500))))
    assert (said.count("COMMIT"), len(flushed)) == (1, 1)
    said.clear()
    store.ack(tags(store.reserve(["q"], 500)))
    assert said.count("COMMIT") == 2
    assert len(flushed) == 1, "consuming need not survive a power cut"
    store.close()


def test_nobody_waits_for_the_disk_of_a_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broker.db"
    sender, worker = SqliteStore(path), SqliteStore(path, owner="w")
    done: list[str] = []

    def slowly(_: int) -> None:
        claims = worker.reserve(["q"], 1)
        worker.ack(tags(claims))
        done.extend(bodies(claims))

    monkeypatch.setattr(sqlite_file, "_flush", slowly)
    sender.publish(postings("q", "x"))
    assert done == ["x"], "while it was being flushed"
    sender.close()
    worker.close()


@pytest.mark.parametrize("meanwhile", ["nothing", "TRUNCATE"])
def test_what_is_flushed_holds_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Power is cut right after the flush: what the files hold then is what is left, also if the log was cleared."""
    path, rest = tmp_path / "broker.db", tmp_path / "rest"
    rest.mkdir()

    def cut(descriptor: int) -> None:
        if meanwhile != "nothing":
            with closing(sqlite3.connect(path)) as other:
                assert other.execute(f"PRAGMA wal_checkpoint({meanwhile})").fetchone()[0] == 0
        log = path.with_name("broker.db-wal")
        assert os.fstat(descriptor).st_ino == log.stat().st_ino
        for file in (path, log):
            shutil.copy(file, rest / file.name)

    monkeypatch.setattr(sqlite_file, "_flush", cut)
    store = SqliteStore(path)
    store.publish(postings("q", "x"))
    store.close()
    left = SqliteStore(rest / "broker.db", owner="w")
    assert bodies(left.reserve(["q"], 10)) == ["x"]
    left.close()


def test_a_log_that_was_begun_anew_is_the_one_that_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "broker.db"
    log = path.with_name("broker.db-wal")
    flushed: list[bool] = []
    monkeypatch.setattr(
        sqlite_file, "_flush", lambda fd: flushed.append(os.fstat(fd).st_ino == log.stat().st_ino)
    )
    store = SqliteStore(path)
    for _ in range(2):
        store.publish(postings("q", "x"))
        store.reconnect()
    assert flushed == [True, True]
    store.close()


def test_a_flush_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sqlite_file, "_flush", fail)
    store = SqliteStore(tmp_path / "broker.db")
    with pytest.raises(BrokerUnavailable, match="Input/output error"):
        store.publish(postings("q", "x"))
    store.close()


def test_the_file_is_as_large_as_its_peak_and_no_larger(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    store = SqliteStore(path, owner="w")

    def peak() -> int:
        for _ in range(10):
            store.publish(postings("q", *[PAGE] * 100))
            while claims := store.reserve(["q"], 50):
                store.ack(tags(claims))
        return sum(file.stat().st_size for file in tmp_path.glob("broker.db*") if file.is_file())

    first = peak()
    later = [peak() for _ in range(3)]
    assert max(later) <= 1.2 * first, "4,000 messages of 4 kB later"
    store.close()


@pytest.fixture
def disk(short_folder: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = short_folder / "disk"
    folder.mkdir(mode=0o700)
    _mount("-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    command = ["mount", *arguments]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")


def test_a_disk_that_runs_full_loses_nothing_that_was_accepted(disk: Path) -> None:
    store = open_store(BrokerSpec(f"sqlite:///{disk}/broker.db"), owner="w")
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    accepted = []
    with pytest.raises(BrokerUnavailable, match=rf"sqlite:///{disk}/broker.db: the disk is full"):
        for number in range(1000):
            store.publish(postings("q", f"{number} {PAGE}"))
            accepted.append(f"{number} {PAGE}")
    assert accepted
    assert store.stats("q").ready == len(accepted), "looking needs no space"
    with suppress(BrokerUnavailable):  # it may need some
        store.release(tags(store.reserve(["q"], 1)), counted=False)
    ballast.unlink()
    assert store.reconnect()
    store.publish(postings("q", "more"))
    store.release_owner("w")
    found = store.reserve(["q"], 1000)
    assert bodies(found) == [*accepted, "more"]
    assert store.ack(tags(found)) == len(found)
    store.close()


def test_a_read_only_file_is_said_to_be_one(disk: Path, short_folder: Path) -> None:
    store = open_store(BrokerSpec(f"sqlite:///{disk}/broker.db"), owner="w")
    store.publish(postings("q", "kept"))
    view = short_folder / "view"
    view.mkdir()
    _mount("--bind", str(disk), str(view))
    try:
        _mount("-o", "remount,ro,bind", str(view))
        with pytest.raises(BrokerUnavailable, match=rf"sqlite:///{view}/broker.db: .*read-only"):
            open_store(BrokerSpec(f"sqlite:///{view}/broker.db")).publish(postings("q", "refused"))
    finally:
        subprocess.run(["umount", "-l", str(view)], check=True)
    assert bodies(store.reserve(["q"], 10)) == ["kept"]
    store.close()
