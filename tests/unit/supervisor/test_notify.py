"""What is said to systemd, against a socket in its place."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from fleet.supervisor.notify import Notifier
from tests.support import eventually, unique


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, short_folder: Path) -> str:
    return f"@{unique()}" if request.param == "abstract" else str(short_folder / "notify")


def listen(address: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(f"\0{address[1:]}" if address.startswith("@") else address)
    server.setblocking(False)
    return server


def heard(server: socket.socket) -> list[list[str]]:
    found = []
    while True:
        try:
            found.append(server.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def test_each_thing_is_one_datagram(address: str) -> None:
    with listen(address) as server:
        notifier = Notifier(address)
        notifier.status("1 of 2\nworkers ready", ready=False)
        notifier.status("2 of 2 workers ready", ready=True)
        notifier.reloading()
        notifier.stopping(12.5)
        first, second, third, fourth = heard(server)
    assert first == ["STATUS=1 of 2 workers ready"], "a line can't bring in another one"
    assert second == ["READY=1", "STATUS=2 of 2 workers ready"]
    assert third[0] == "RELOADING=1"
    assert third[1].removeprefix("MONOTONIC_USEC=").isdecimal()
    assert fourth == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=12500000"]


def test_the_watchdog_is_fed_no_more_than_needed(address: str) -> None:
    with listen(address) as server:
        notifier = Notifier(address, watchdog_seconds=1000.0)
        first = notifier.next_beat()
        notifier.beat()
        assert notifier.next_beat() == pytest.approx(first + 500, abs=60)
        notifier.beat()
        assert heard(server) == [["WATCHDOG=1"]]


def test_the_variables_are_taken_away_and_another_process_is_not_meant(short_folder: Path) -> None:
    path = str(short_folder / "notify")
    mine = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid()), "OTHER": "1"}
    with listen(path) as server:
        Notifier.from_environment(mine).beat()
        assert mine == {"OTHER": "1"}
        Notifier.from_environment(
            {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
        ).beat()
        assert heard(server) == [["WATCHDOG=1"]]


def test_without_systemd_nothing_is_said_and_nothing_is_due() -> None:
    notifier = Notifier.from_environment({"WATCHDOG_USEC": "2000000"})
    notifier.status("up", ready=True)
    notifier.beat()
    assert notifier.next_beat() == float("inf")


def test_a_listener_that_is_gone_or_full_is_no_trouble(short_folder: Path) -> None:
    path = str(short_folder / "notify")
    Notifier(path).status("up", ready=True)
    with listen(path):
        notifier = Notifier(path)
        for _ in range(2000):
            notifier.status("x" * 1000, ready=False)
        assert notifier.next_beat() < float("inf")


def test_what_did_not_fit_is_said_later_in_order(short_folder: Path) -> None:
    path = str(short_folder / "notify")
    with listen(path) as server:
        for _ in range(2000):
            Notifier(path).status("somebody else's", ready=False)
        notifier = Notifier(path, watchdog_seconds=1000.0)
        notifier.beat()
        notifier.reloading()
        notifier.status("up", ready=True)
        assert ["READY=1", "STATUS=up"] not in heard(server)

        eventually(lambda: notifier.beat() or notifier.next_beat() > time.monotonic() + 1)
        reloading, ready = heard(server)
    assert reloading[0] == "RELOADING=1"
    assert ready == ["READY=1", "STATUS=up"]
