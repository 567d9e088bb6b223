"""What a dead worker held is given back by its own fleet's controller, and what others hold is not."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import LeasedStore
from fleet.broker.open import open_store
from fleet.controller.observed.leases import give_back
from fleet.launch_specs import WorkerLaunch
from fleet.program_labels import WorkerLabels
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec
from fleet.supervisor.client import Program
from tests.unit.controller.world import group

PID = 7


def launch(folder: Path, token: str) -> WorkerLaunch:
    spec = replace(group("http").spec, broker=BrokerSpec(f"sqlite:///{folder}/broker.db"))
    return WorkerLaunch("http/0", 0, "r", spec, "", "", token=token)


def worker(launch: WorkerLaunch) -> LeasedStore:
    """As its Link opens it, with one delivery in hand."""
    store = open_store(launch.spec.broker, owner=launch.identity(socket.gethostname(), PID))
    store.publish([Posting("q", Encoded(b"", {}, {}))])
    assert len(store.reserve(["q"], 1)) == 1
    return store


def test_only_the_leases_of_the_dead_one_come_back(tmp_path: Path) -> None:
    dead, living = launch(tmp_path, "one"), launch(tmp_path, "two")
    file = tmp_path / "launch.json"
    file.write_text(dead.to_json())
    dead_store, living_store = worker(dead), worker(living)
    labels = WorkerLabels("http", 0, 1, "r", str(file)).to_dict()
    program = Program("http", "0.1", "running", PID, 0.0, 0.0, 0, None, None, labels=labels)
    (said,) = give_back([program])
    assert "http/0 (pid 7) held 1 deliveries" in said
    stats = living_store.stats("q")
    assert (stats.ready, stats.claimed) == (1, 1)
    for store in (dead_store, living_store):
        store.close()
