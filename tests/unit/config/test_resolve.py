from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config import routing, state_dir, worker_spec
from fleet.config.load import load
from fleet.config.model import Fleet
from fleet.config.resolve_groups import fleet_state
from fleet.config.source import Unreadable
from fleet.fleet_state import Autoscale
from fleet.spec import QueueSpec, RouteSpec
from tests.unit.rules.fixtures import a_machine

FILE = """\
[fleet]
app = ["a.tasks", "b"]
pythonpath = [".", "../lib", "/opt/lib"]
env_file = ".env"

[queues.q]
message_ttl = "1h"
[queues.r]
dead_letter = false
exchange = "shop"
[queues.s]
dead_letter = "graveyard"

[[routes]]
task = ["a.*", "b"]
queue = "q"
priority = 3

[workers.g]
queues = ["r", "q"]
pool = "prefork"
concurrency = "cpus-1"
replicas = { max = 4 }
max_memory = "1GiB"
time_limit = "1m"
env = { A = "group", C = "c" }
"""


def a_fleet(folder: Path, extra: str = "") -> Fleet:
    (folder / ".env").write_text("# c\nexport A=file\nB='x # y'\nC = 1 # one\n")
    (folder / "fleet.toml").write_text(FILE + extra)
    loaded = load(folder / "fleet.toml", machine=a_machine(), environ={}, rules=False)
    assert loaded.fleet is not None, loaded.diagnostics
    return loaded.fleet


def test_a_worker_gets_everything_definite(tmp_path: Path) -> None:
    spec = worker_spec(a_fleet(tmp_path), "g", machine=a_machine())
    assert spec.fleet == tmp_path.name
    assert spec.app == ("a.tasks", "b")
    assert spec.pythonpath == (str(tmp_path), str(tmp_path.parent / "lib"), "/opt/lib")
    assert spec.broker.url == f"sqlite:///{tmp_path}/.fleet/broker.db"
    assert [queue.name for queue in spec.queues] == ["r", "q"]
    assert spec.concurrency == 7
    assert spec.prefetch is None
    assert spec.max_memory_bytes == 2**30
    assert (spec.time_limit_seconds, spec.soft_time_limit_seconds) == (60, None)
    assert spec.environment == {"A": "group", "B": "x # y", "C": "c"}


def test_the_revision_ignores_how_the_file_is_written(tmp_path: Path) -> None:
    one = worker_spec(a_fleet(tmp_path), "g", machine=a_machine())
    two = worker_spec(a_fleet(tmp_path, "# comment\n"), "g", machine=a_machine())
    other = worker_spec(a_fleet(tmp_path, "nice = 1\n"), "g", machine=a_machine())
    assert one.revision == two.revision != other.revision


def test_producers_get_queues_and_routes_in_order(tmp_path: Path) -> None:
    spec = routing(a_fleet(tmp_path))
    assert spec.queue("q") == QueueSpec("q", routing_key="q", message_ttl_seconds=3600, dead_letter="q.dead")
    assert spec.queue("r").dead_letter is None
    assert spec.queue("s").dead_letter == "graveyard"
    assert spec.routes == (RouteSpec(("a.*", "b"), "q", 3),)


@pytest.mark.parametrize(
    ("pool", "wanted", "expected"),
    [
        ("prefork", "3", 3),
        ("prefork", '"cpus"', 8),
        ("prefork", '"cpus - 2"', 6),
        ("prefork", '"cpus-20"', 1),
        ("threads", '"cpus/3"', 2),
        ("threads", '"cpus/20"', 1),
        ("solo", "5", 1),
    ],
)
def test_concurrency_resolves_to_a_number(tmp_path: Path, pool: str, wanted: str, expected: int) -> None:
    extra = f'\n[workers.h]\nqueues = ["q"]\npool = "{pool}"\nconcurrency = {wanted}\n'
    assert worker_spec(a_fleet(tmp_path, extra), "h", machine=a_machine()).concurrency == expected


def test_default_concurrency_is_the_cpus(tmp_path: Path) -> None:
    extra = '\n[workers.h]\nqueues = ["q"]\npool = "threads"\n'
    assert worker_spec(a_fleet(tmp_path, extra), "h", machine=a_machine()).concurrency == 8


def test_replicas_resolve_to_a_number_or_to_bounds(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, '\n[workers.h]\nqueues = ["q"]\npool = "solo"\nreplicas = 3\n')
    assert [fleet.workers[name].replica_bounds() for name in ("g", "h")] == [(1, 4), (3, 3)]
    state = fleet_state(fleet, machine=a_machine())
    assert [group.replicas for group in state.groups] == [1, 3]
    assert state.groups[0].autoscale == Autoscale(min=1, max=4)
    assert state.groups[1].autoscale is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///data/b.db", "sqlite:///{folder}/data/b.db"),
        ("sqlite:////var/b.db", "sqlite:////var/b.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("redis://h/1", "redis://h/1"),
    ],
)
def test_a_relative_sqlite_url_is_made_absolute(tmp_path: Path, url: str, expected: str) -> None:
    fleet = a_fleet(tmp_path, f'\n[broker]\nurl = "{url}"\n')
    assert routing(fleet).broker.url == expected.format(folder=tmp_path)


def test_the_broker_url_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("amqp://u:p@h//\n")
    assert routing(a_fleet(tmp_path, '\n[broker]\nurl_file = "secret"\n')).broker.url == "amqp://u:p@h//"
    with pytest.raises(Unreadable, match=r"broker\.url_file: can't read /run/none: No such file"):
        routing(a_fleet(tmp_path, '\n[broker]\nurl_file = "/run/none"\n'))


def test_state_dir_is_beside_the_file(tmp_path: Path) -> None:
    assert state_dir(a_fleet(tmp_path)).root == tmp_path / ".fleet"


@pytest.mark.parametrize(
    ("url", "seconds"),
    [("amqp://h", 30.0), ("amqp://h?heartbeat=6", 6.0), ("amqp://h?heartbeat=x", 30.0), ("redis://h", 30.0)],
)
def test_the_heartbeat_of_the_broker_url_counts(tmp_path: Path, url: str, seconds: float) -> None:
    fleet = a_fleet(tmp_path, f'\n[broker]\nurl = "{url}"\n')
    assert routing(fleet).broker.heartbeat_seconds == seconds
