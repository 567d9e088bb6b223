"""What LeasedStore promises, on the embedded broker with a clock of our own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.sqlite.store import SqliteStore
from fleet.broker.waiting import wait_readable
from fleet.protocol import Encoded

LEASE = 30.0
OpenStore = Callable[[str], SqliteStore]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def open_store(path: Path, clock: Clock) -> Iterator[OpenStore]:
    opened: list[SqliteStore] = []

    def open_one(owner: str) -> SqliteStore:
        opened.append(SqliteStore(path, owner=owner, lease_seconds=LEASE, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> SqliteStore:
    return open_store("worker")


def message(body: str, priority: int | None = None) -> Encoded:
    return Encoded(body.encode(), {"task": "t"}, {} if priority is None else {"priority": priority})


def publish(store: SqliteStore, *bodies: str, queue: str = "q", delay: float = 0.0) -> None:
    store.publish([Posting(queue, message(body), delay) for body in bodies])


def bodies(store: SqliteStore, *queues: str, limit: int = 100) -> list[str]:
    return [claim.message.body.decode() for claim in store.reserve(queues or ["q"], limit)]


# --- order and routing ----------------------------------------------------------------------------------


def test_messages_come_whole_and_in_order(store: SqliteStore) -> None:
    sent = Encoded(b"\x00\xff", {"a": [1, None]}, {"correlation_id": "c"}, "text/x", "binary")
    store.publish([Posting("q", sent), Posting("q", message("second"))])
    first, second = store.reserve(["q"], 10)
    assert (first.message, first.queue, first.attempt) == (sent, "q", 1)
    assert second.message.body == b"second"


def test_higher_priority_goes_first_and_equals_keep_their_order(store: SqliteStore) -> None:
    store.publish([Posting("q", message(f"{name}{rank}", rank)) for name in "ab" for rank in (0, 5, 9)])
    store.publish([Posting("q", message("none"))])
    assert bodies(store) == ["a9", "b9", "a5", "b5", "a0", "b0", "none"]


def test_earlier_queues_are_preferred(store: SqliteStore) -> None:
    publish(store, "x", queue="second")
    publish(store, "y", queue="first")
    assert bodies(store, "first", "second", limit=1) == ["y"]
    assert bodies(store, "first", "second") == ["x"]


def test_exchanges_are_resolved_by_bindings_that_all_processes_share(open_store: OpenStore) -> None:
    open_store("a").bind("one", "x", "k")
    open_store("b").bind("two", "x", "k.*", pattern=r"k\..*$")
    producer = open_store("")
    producer.publish([Posting("home", message("1"), exchange="x", routing_key="k")])
    producer.publish([Posting("home", message("2"), exchange="x", routing_key="k.z")])
    producer.publish([Posting("home", message("3"), exchange="x", routing_key="zzz")])
    assert [bodies(producer, queue) for queue in ("one", "two", "home")] == [["1"], ["2"], ["3"]]
    producer.unbind("one", "x", "k")
    assert producer.bindings("x") == [("k.*", r"k\..*$", "two")]


# --- claims and leases ----------------------------------------------------------------------------------


def test_a_claimed_message_is_nobody_elses(open_store: OpenStore) -> None:
    first, second = open_store("a"), open_store("b")
    publish(first, "1", "2", "3")
    assert bodies(first, limit=2) == ["1", "2"]
    assert bodies(second) == ["3"]


def test_acked_messages_are_gone(store: SqliteStore) -> None:
    publish(store, "1", "2")
    assert store.ack([claim.tag for claim in store.reserve(["q"], 1)]) == 1
    assert store.stats("q").claimed == 0
    assert bodies(store) == ["2"]


def test_released_messages_return_to_their_place_with_the_attempt_counted(store: SqliteStore) -> None:
    publish(store, "1", "2")
    (claim,) = store.reserve(["q"], 1)
    assert store.release([claim.tag]) == 1
    again = store.reserve(["q"], 2)
    assert [(each.message.body, each.attempt) for each in again] == [(b"1", 2), (b"2", 1)]


def test_what_never_started_is_released_uncounted(store: SqliteStore) -> None:
    publish(store, "1")
    (claim,) = store.reserve(["q"], 1)
    store.release([claim.tag], counted=False)
    assert store.reserve(["q"], 1)[0].attempt == 1


def test_a_lease_that_runs_out_frees_its_claims_and_fences_them(open_store: OpenStore, clock: Clock) -> None:
    slow, other = open_store("slow"), open_store("other")
    publish(slow, "1")
    (stale,) = slow.reserve(["q"], 1)
    clock.now += LEASE + 1
    (claim,) = other.reserve(["q"], 1)
    assert (claim.message.body, claim.attempt) == (b"1", 2)
    assert slow.ack([stale.tag]) == 0
    assert slow.release([stale.tag]) == 0
    assert slow.replace(stale.tag, Posting("q", message("copy"))) is False
    assert (other.stats("q").claimed, other.stats("q").ready) == (1, 0)
    assert other.ack([claim.tag]) == 1


def test_an_old_tag_does_not_settle_a_new_claim_of_the_same_worker(
    open_store: OpenStore, clock: Clock
) -> None:
    slow, other = open_store("slow"), open_store("other")
    publish(slow, "1")
    (stale,) = slow.reserve(["q"], 1)
    clock.now += LEASE + 1
    assert other.reserve(["elsewhere"], 1) == []  # anyone who looks reaps
    (fresh,) = slow.reserve(["q"], 1)
    assert slow.ack([stale.tag]) == 0
    assert slow.ack([fresh.tag]) == 1


def test_renewing_keeps_a_lease_as_long_as_it_takes(open_store: OpenStore, clock: Clock) -> None:
    slow, other = open_store("slow"), open_store("other")
    publish(slow, "1")
    slow.reserve(["q"], 1)
    for _ in range(5):
        clock.now += LEASE * 0.9
        renewal = threading.Thread(target=slow.renew)
        renewal.start()
        renewal.join()
        assert bodies(other) == []


def test_a_dead_owner_gives_back_at_once(open_store: OpenStore) -> None:
    dead, living, controller = open_store("http/0@a:1"), open_store("http/1@a:2"), open_store("")
    publish(dead, "1", "2", "3")
    assert len(dead.reserve(["q"], 2)) == 2
    assert len(living.reserve(["q"], 1)) == 1
    assert controller.release_owner("http/0@a:1") == 2
    assert controller.release_owner("http/0@a:1") == 0
    assert bodies(living) == ["1", "2"]


def test_closing_the_embedded_store_gives_back_its_claims(open_store: OpenStore) -> None:
    first = open_store("a")
    publish(first, "1")
    first.reserve(["q"], 1)
    first.close()
    assert bodies(open_store("b")) == ["1"]


def test_claims_outlive_a_reconnect_to_the_same_file(store: SqliteStore) -> None:
    publish(store, "1")
    (claim,) = store.reserve(["q"], 1)
    assert store.reconnect() is True
    assert store.ack([claim.tag]) == 1


# --- delays ---------------------------------------------------------------------------------------------


def test_a_delayed_message_is_not_there_before_its_time(store: SqliteStore, clock: Clock) -> None:
    publish(store, "later", delay=10)
    publish(store, "now")
    assert bodies(store) == ["now"]
    assert store.next_change(["q"]) == pytest.approx(10)
    clock.now += 9.9
    assert bodies(store) == []
    clock.now += 0.2
    assert store.size("q") == 1
    assert bodies(store) == ["later"]


def test_waiting_ends_when_another_workers_lease_may_run_out(open_store: OpenStore) -> None:
    busy, idle = open_store("busy"), open_store("idle")
    publish(busy, "1")
    busy.reserve(["q"], 1)
    assert idle.next_change(["q"]) == pytest.approx(LEASE)
    assert busy.next_change(["q"]) is None


def test_replacing_publishes_and_acks_in_one(store: SqliteStore, clock: Clock) -> None:
    publish(store, "1")
    (claim,) = store.reserve(["q"], 1)
    assert store.replace(claim.tag, Posting("q", message("again"), delay_seconds=5)) is True
    assert bodies(store) == []
    clock.now += 5
    assert [(each.message.body, each.attempt) for each in store.reserve(["q"], 9)] == [(b"again", 1)]


# --- hints ----------------------------------------------------------------------------------------------


def test_one_message_wakes_one_of_many_listeners(open_store: OpenStore) -> None:
    listeners = [open_store(f"w{number}") for number in range(5)]
    ears = [store.listen(["q"]) for store in listeners]
    producer = open_store("")
    publish(producer, "1", queue="other")
    assert wait_readable(ears, 0) == set()
    publish(producer, "1")
    assert len(wait_readable(ears, 1)) == 1
    publish(producer, *"abcdefgh")
    assert len(wait_readable(ears, 0)) == 5


def test_a_store_that_does_not_listen_gets_no_hints(store: SqliteStore) -> None:
    ear = store.listen(["q"])
    publish(store, "1")
    assert ear in wait_readable([ear], 1)
    store.unlisten()
    publish(store, "2")
    assert wait_readable([ear], 0) == set()


@pytest.mark.parametrize("how", ["release", "release_owner", "close"])
def test_what_is_given_back_wakes_a_listener(open_store: OpenStore, how: str) -> None:
    holder, idle = open_store("holder"), open_store("idle")
    publish(holder, "1")
    (claim,) = holder.reserve(["q"], 1)
    ear = idle.listen(["q"])
    match how:
        case "release":
            holder.release([claim.tag])
        case "release_owner":
            open_store("").release_owner("holder")
        case "close":
            holder.close()
    assert wait_readable([ear], 1)


def test_a_listener_that_was_killed_is_swept_away(open_store: OpenStore, path: Path) -> None:
    folder = path.with_name("broker.db.wake")
    living = open_store("living")
    ear = living.listen(["q"])
    link = next(name for name in folder.iterdir() if not name.name.startswith("fifo."))
    left_behind = link.with_name(link.name.split(".")[0] + ".dead")
    os.mkfifo(left_behind)
    publish(open_store(""), *"123456789")
    assert wait_readable([ear], 1)
    assert not left_behind.exists()


# --- queues ---------------------------------------------------------------------------------------------


def test_queues_are_counted(open_store: OpenStore, clock: Clock) -> None:
    store = open_store("w")
    publish(store, "1", "2", "3")
    publish(store, "later", delay=60)
    clock.now += 5
    store.reserve(["q"], 1)
    seen = store.stats("q")
    assert (seen.ready, seen.delayed, seen.claimed, seen.oldest_seconds) == (2, 1, 1, 5)
    assert store.stats("empty").oldest_seconds is None
    assert store.size("q") == 2


def test_a_delayed_message_ages_from_when_it_was_due(store: SqliteStore, clock: Clock) -> None:
    publish(store, "1", delay=60)
    clock.now += 61
    store.reserve(["other"], 1)
    assert store.stats("q").oldest_seconds == pytest.approx(1)


def test_purging_spares_what_is_being_worked_on(store: SqliteStore) -> None:
    publish(store, "1", "2")
    publish(store, "later", delay=60)
    (claim,) = store.reserve(["q"], 1)
    assert store.purge("q") == 2
    assert store.ack([claim.tag]) == 1


def test_browsing_claims_nothing(store: SqliteStore) -> None:
    publish(store, "1", "2", "3")
    assert [claim.message.body for claim in store.browse("q", 2, offset=1)] == [b"2", b"3"]
    assert store.size("q") == 3


def test_queues_become_known_and_are_forgotten(store: SqliteStore) -> None:
    store.declare("a")
    publish(store, "1", queue="b")
    store.bind("b", "x", "k")
    assert store.queues() == ["a", "b"]
    store.delete("b")
    assert store.queues() == ["a"]
    assert (store.size("b"), store.bindings("x")) == (0, [])
    publish(store, "1", queue="b")
    assert store.queues() == ["a", "b"]


# --- trouble --------------------------------------------------------------------------------------------


def test_a_lock_held_by_another_process_is_waited_for(store: SqliteStore, path: Path) -> None:
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, lambda: blocker.execute("COMMIT")).start()
    publish(store, "1")
    assert store.size("q") == 1
    blocker.close()


def test_a_lock_that_is_never_released_is_an_error_in_words(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.broker.sqlite.file._LOCK_SECONDS", 0.05)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(BrokerUnavailable, match="another process has kept the file locked"):
        publish(store, "1")
    blocker.close()
    publish(store, "2")
    assert bodies(store) == ["2"]


def test_a_full_disk_loses_nothing_that_was_accepted(store: SqliteStore) -> None:
    publish(store, "kept")
    store._file._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(BrokerUnavailable, match=r"sqlite:///.*broker.db: the disk is full"):
        publish(store, *["x" * 10_000] * 20)
    store._file._db.execute("PRAGMA max_page_count = 1073741823")
    assert bodies(store) == ["kept"]


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(BrokerUnavailable, match="is not a SQLite database"):
        SqliteStore(path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="No such file or directory"):
        SqliteStore(tmp_path / "no" / "such" / "broker.db")


def test_a_file_of_a_newer_fleet_is_refused(path: Path, store: SqliteStore) -> None:
    store._file._db.execute("PRAGMA user_version = 99")
    with pytest.raises(BrokerUnavailable, match="written by a newer fleet"):
        SqliteStore(path)


def test_a_file_that_was_deleted_swallows_nothing(store: SqliteStore, path: Path) -> None:
    publish(store, "1")
    (claim,) = store.reserve(["q"], 1)
    for file in path.parent.glob("broker.db*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(BrokerUnavailable, match="removed or replaced"):
        publish(store, "2")
    assert store.reconnect() is False
    publish(store, "3")
    # The id of the first message in the new file is the one of the old: its tag must not fit.
    assert store.ack([claim.tag]) == 0
    assert bodies(store) == ["3"]


def test_the_file_is_nobody_elses_business(store: SqliteStore, path: Path) -> None:
    publish(store, "1")
    store.listen(["q"])
    files = [*path.parent.glob("broker.db*"), *path.with_name("broker.db.wake").iterdir()]
    assert len(files) == 6  # the database, its log and index, the folder, the FIFO and its link
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def _elsewhere(path: Path) -> int:
    """How many messages a process of its own sees, which opens the file and closes it."""
    code = """if True:
        import contextlib, sqlite3, sys
        with contextlib.closing(sqlite3.connect(sys.argv[1])) as db:
            print(*db.execute("SELECT count(*) FROM messages").fetchone())
    """
    seen = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return int(seen.stdout)


def test_a_second_connection_leaves_the_first_its_locks(store: SqliteStore, path: Path) -> None:
    """POSIX drops all locks that a process has on a file when it closes any descriptor of that file.

    Without them another process takes itself for the last user as it closes, and removes the log that we still
    write to: what we publish then is gone, and in the end the file is damaged.
    """
    publish(store, "1")
    store.renew()  # by a connection of its own
    assert _elsewhere(path) == 1
    publish(store, "2")
    assert _elsewhere(path) == 2
