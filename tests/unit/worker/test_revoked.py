"""Revoked tasks: by id and by stamp, over restarts, whatever has become of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker import revoked
from fleet.worker.log import Log
from fleet.worker.revoked import Revoked, open_revoked


def delivery(ident: str, **stamps: object) -> Delivery:
    return Delivery(1, "q", b"", {"id": ident, "stamped_headers": list(stamps), "stamps": stamps})


def test_by_id_and_by_stamp(tmp_path: Path) -> None:
    known = Revoked(tmp_path, "http/0")
    known.add(["a"], {"customer": ["c7"]})
    assert known.covers(delivery("a"))
    assert known.covers(delivery("b", customer="c7"))
    assert known.covers(delivery("b", customer=["c1", "c7"]))
    assert not known.covers(delivery("b", customer="c8", other="c7"))
    assert not known.covers(Delivery(1, "q", b"", {"id": "b", "stamped_headers": 3, "stamps": "x"}))


def test_a_restart_and_other_workers_know_them(tmp_path: Path) -> None:
    Revoked(tmp_path, "http/0").add(["a"], {"customer": ["c7"]})
    Revoked(tmp_path, "http/1").add(["b"])
    again = Revoked(tmp_path, "http/0")
    assert again.ids == ["a", "b"]
    assert again.stamps == {"customer": ["c7"]}


def test_a_half_written_line_costs_only_itself(tmp_path: Path) -> None:
    Revoked(tmp_path, "http/0").add(["a"])
    file = tmp_path / "revoked" / "http-0.jsonl"
    file.write_text(file.read_text() + '{"id": "b", "at"')
    assert Revoked(tmp_path, "http/0").ids == ["a"]


def test_old_ones_and_too_many_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoked, "MOST", 3)
    known = Revoked(tmp_path, "http/0")
    known.add(list("abcde"))
    assert known.ids == ["c", "d", "e"]
    monkeypatch.setattr(revoked, "SECONDS", -1.0)
    known.add(["f"])
    assert known.ids == []


def test_without_a_folder_nothing_is_kept_and_all_else_works() -> None:
    known = Revoked(None, "http/0")
    assert not known
    known.add(["a"])
    assert known.covers(delivery("a"))


class _Warnings(Log):
    def __init__(self) -> None:
        super().__init__("http/0")
        self.said: list[str] = []

    def warning(self, text: str, trace: str | None = None) -> None:
        self.said.append(text)


def launch(control_socket: str, routing_file: str) -> WorkerLaunch:
    spec = WorkerSpec("f", "http", (), (), BrokerSpec("memory://"), (), "threads", 2)
    return WorkerLaunch("http/0", 0, "r", spec, control_socket, routing_file)


def test_a_worker_without_a_state_directory_keeps_none_and_warns_of_nothing(tmp_path: Path) -> None:
    """The rules of `fleet worker` lie in memory: /proc/self/fd is no place for a folder."""
    log = _Warnings()
    known = open_revoked(launch("", "/proc/self/fd/5"), log)
    known.add(["a"])
    assert known.ids == ["a"]
    assert log.said == []


def test_a_worker_of_a_fleet_keeps_them_beside_the_routes(tmp_path: Path) -> None:
    routing, log = str(tmp_path / "routing.json"), _Warnings()
    open_revoked(launch("/run/control.sock", routing), log).add(["a"])
    assert open_revoked(launch("/run/control.sock", routing), log).ids == ["a"]
    elsewhere = launch("/run/control.sock", str(tmp_path / "gone" / "routing.json"))
    assert open_revoked(elsewhere, log).ids == []
    [warning] = log.said
    assert warning.startswith("tasks revoked from now on are forgotten when this worker restarts: ")
