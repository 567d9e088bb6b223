"""Nobody can set the clock by which leases of the embedded broker run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import fleet.clock
from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.sqlite import clock as sqlite_clock
from fleet.broker.sqlite import queues as sqlite_queues
from fleet.broker.sqlite.clock import clock_of
from fleet.broker.sqlite.file import SqliteFile
from fleet.broker.sqlite.store import SqliteStore
from fleet.protocol import Encoded

HOUR = 3600.0
pytestmark = pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the system can't tell")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which somebody has set the clock."""
    offset, real = [0.0], time.time
    monkeypatch.setattr(fleet.clock.time, "time", lambda: real() + offset[0])
    return offset


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The id of this boot."""
    ident = ["first"]
    monkeypatch.setattr(sqlite_clock, "_boot_id", lambda: ident[0])
    return ident


def posting(delay: float = 0.0) -> Posting:
    return Posting("q", Encoded(b"{}", {}, {}), delay)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_the_brokers_clock_goes_on_when_the_machines_is_set(
    path: Path, jump: list[float], seconds: float
) -> None:
    clock = clock_of(SqliteFile(path))
    before = clock()
    assert abs(before - time.time()) < 60
    jump[0] = seconds
    assert 0 <= clock() - before < 60
    assert 0 <= clock_of(SqliteFile(path))() - before < 60, "whoever opens the file later has the same"


def test_a_lease_outlasts_a_clock_that_is_set_forward(path: Path, jump: list[float]) -> None:
    holder = SqliteStore(path, owner="holder")
    holder.publish([posting()])
    (claim,) = holder.reserve(["q"], 1)
    jump[0] = HOUR
    other = SqliteStore(path, owner="other")
    assert other.reserve(["q"], 1) == []
    assert holder.ack([claim.tag]) == 1


def test_a_clock_that_is_set_back_delays_nothing(path: Path, jump: list[float]) -> None:
    store = SqliteStore(path, owner="worker")
    store.publish([posting(0.05)])
    jump[0] = -HOUR
    later = SqliteStore(path, owner="later")
    change = later.next_change(["q"])
    assert change is not None
    assert change < 60


def test_each_boot_begins_with_the_time_of_day(path: Path, jump: list[float], boot: list[str]) -> None:
    first = clock_of(SqliteFile(path))()
    boot[0], jump[0] = "second", HOUR
    assert HOUR <= clock_of(SqliteFile(path))() - first < HOUR + 60


def test_time_in_the_file_never_goes_back(path: Path, jump: list[float], boot: list[str]) -> None:
    """A machine that has forgotten the time still gives out what was delayed before."""
    store = SqliteStore(path, owner="worker")
    store.publish([posting(30.0)])
    boot[0], jump[0] = "second", -time.time()
    store = SqliteStore(path, owner="worker")
    change = store.next_change(["q"])
    assert change is not None
    assert change <= 30.0


def test_elsewhere_it_is_the_time_of_day(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_clock, "_boot_id", lambda: None)
    assert clock_of(SqliteFile(path)) is time.time


def test_a_new_file_in_its_place_has_a_time_of_its_own(path: Path) -> None:
    store = SqliteStore(path, owner="worker")
    path.unlink()
    assert not store.reconnect()
    store.publish([posting()])
    assert len(SqliteFile(path).read("SELECT at FROM boots")) == 1


def test_claims_of_a_file_that_is_gone_are_void_also_when_the_new_one_does_not_tell_its_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(path, owner="worker")
    store.publish([posting()])
    (claim,) = store.reserve(["q"], 1)
    for file in path.parent.glob("broker.db*"):
        if file.is_file():
            file.unlink()
    other = SqliteStore(path, owner="other")
    other.publish([posting()])
    (others,) = other.reserve(["q"], 1)
    assert others.tag == claim.tag, "else this shows nothing"

    def fail(_file: SqliteFile) -> None:
        raise BrokerUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_queues, "clock_of", fail)
        with pytest.raises(BrokerUnavailable):
            store.reconnect()
    store.reconnect()
    assert store.ack([claim.tag]) == 0
    assert other.ack([others.tag]) == 1
