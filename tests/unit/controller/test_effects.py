"""The table of what a change of a key takes, held to the model and to what really happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.config import model
from fleet.config.table import Table
from fleet.controller.declaration import Declaration, Verdict
from fleet.controller.desired import Accepted
from fleet.controller.differences import of_fleet, of_group, refusals
from fleet.controller.effects import EFFECTS, Effect
from fleet.controller.events import EventLog
from fleet.controller.reading import read

TABLES: dict[str, type[Table]] = {
    "fleet": model.Project,
    "broker": model.Broker,
    "machine": model.MachineTable,
    "queues": model.Queue,
    "routes": model.Route,
    "workers": model.WorkerGroup,
    "rollout": model.Rollout,
    "dashboard": model.Dashboard,
    "lint": model.Lint,
}

BASE = {
    "fleet": {"name": '"shop"', "app": '"json"', "state_dir": '".fleet"'},
    "broker": {},
    "machine": {},
    "queues.io": {},
    "queues.two": {},
    "workers.http": {"queues": '["io"]', "pool": '"threads"', "concurrency": "4"},
    "rollout": {},
    "dashboard": {"listen": '"127.0.0.1:8787"'},
    "lint": {"ignore": '["FLT608"]'},
    "[routes]": {"task": '"*"', "queue": '"io"'},
}
HEADERS = {"queues": "queues.io", "workers": "workers.http", "routes": "[routes]"}

EDITS = {
    "fleet.app": '"csv"',
    "fleet.name": '"other"',
    "fleet.pythonpath": '["lib"]',
    "fleet.env_file": '"some.env"',
    "fleet.state_dir": '".other"',
    "broker.url": '"sqlite:///other.db"',
    "broker.url_file": '"url"',
    "broker.accept": '["json", "msgpack"]',
    "broker.allow_unsafe_serializers": "true",
    "broker.heartbeat": '"20s"',
    "broker.lease": '"20s"',
    "broker.transport_options": "{ a = 1 }",
    "broker.max_connections": "500",
    "machine.cpus": "64",
    "machine.memory": '"64GiB"',
    "machine.nofile": "65536",
    "queues.workload": '"io"',
    "queues.exchange": '"x"',
    "queues.exchange_type": '"topic"',
    "queues.routing_key": '"other"',
    "queues.durable": "false",
    "queues.max_priority": "5",
    "queues.message_ttl": '"1h"',
    "queues.dead_letter": '"graveyard"',
    "queues.arguments": "{ x = 1 }",
    "routes.task": '"shop.*"',
    "routes.queue": '"two"',
    "routes.priority": "3",
    "workers.queues": '["io", "two"]',
    "workers.pool": '"gevent"',
    "workers.concurrency": "5",
    "workers.replicas": "3",
    "workers.prefetch": "9",
    "workers.acks": '"early"',
    "workers.max_deliveries": "3",
    "workers.max_retries": "9",
    "workers.retry_backoff": '"3s"',
    "workers.retry_backoff_max": '"3m"',
    "workers.soft_time_limit": '"5s"',
    "workers.time_limit": '"50s"',
    "workers.grace_period": '"90s"',
    "workers.max_tasks": "10",
    "workers.max_memory": '"1GiB"',
    "workers.max_age": '"1h"',
    "workers.singleton": "true",
    "workers.env": '{ A = "1" }',
    "workers.nice": "3",
    "workers.user": '"nobody"',
    "workers.preload": "true",
    "rollout.max_surge": "2",
    "rollout.max_unavailable": "1",
    "rollout.min_ready": '"3s"',
    "rollout.progress_deadline": '"1m"',
    "rollout.on_failure": '"pause"',
    "rollout.watch": '["*.py"]',
    "dashboard.listen": '"127.0.0.1:9999"',
    "dashboard.token_file": '"token"',
    "lint.ignore": '["FLT409", "FLT608"]',
    "lint.severity": '{ FLT309 = "info" }',
}

UNSEEN = {
    "broker.allow_unsafe_serializers",
    "broker.max_connections",
    *("machine.cpus", "machine.memory", "machine.nofile"),
    "queues.workload",
    *("lint.ignore", "lint.severity"),
}
"""What only `fleet validate` reads: no part of a running fleet."""


def accepted(folder: Path, key: str | None = None) -> Accepted:
    """The base file with one key set otherwise; all rules off, for this is not about them."""
    tables = {name: dict(keys) for name, keys in BASE.items()}
    if key is not None:
        table, _, name = key.partition(".")
        tables[HEADERS.get(table, table)][name] = EDITS[key]
    text = "".join(
        f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) for name, keys in tables.items()
    )
    file = folder / "fleet.toml"
    file.write_text(text)
    (folder / "some.env").write_text("A=1\n")
    (folder / "url").write_text("sqlite:///another.db")
    (folder / "lib").mkdir(exist_ok=True)
    reading = read(file, None)
    assert reading.accepted is not None, reading.problems
    return reading.accepted


def test_every_key_has_an_effect_and_no_other_has() -> None:
    keys = {f"{table}.{key}" for table, model in TABLES.items() for key in model.fields}
    assert set(EFFECTS) == set(EDITS) == keys


@pytest.mark.parametrize("key", EDITS)
def test_a_change_takes_what_the_table_says(key: str, tmp_path: Path) -> None:
    before, after = accepted(tmp_path), accepted(tmp_path, key)
    (old,), (new,) = before.groups, after.groups
    if refusals(before, after):
        effect = Effect.RESTART
    elif old.revision != new.revision:
        effect = Effect.REPLACE
    else:
        effect = Effect.LIVE
    assert effect is EFFECTS[key]
    assert (before.revision == after.revision) is (key in UNSEEN), "else the controller takes no notice"
    planned = [*of_fleet(before, after), *of_group(old, new)]
    if key in UNSEEN:
        assert not planned
    else:
        assert max((each.effect for each in planned), key=list(Effect).index) is effect


@pytest.mark.parametrize("key", [key for key, effect in EFFECTS.items() if effect is Effect.RESTART])
def test_a_running_fleet_refuses_what_needs_a_restart(key: str, tmp_path: Path) -> None:
    written: list[Accepted] = []
    declaration = Declaration(tmp_path / "fleet.toml", None, EventLog(), written.append)

    def consider(changed: str | None = None) -> Verdict:
        accepted(tmp_path, changed)
        return asyncio.run(declaration.consider())

    assert consider() is Verdict.ADOPTED
    assert consider(key) is Verdict.REJECTED
    assert len(written) == 1
    assert declaration.rejected is not None
    (why,) = declaration.rejected["diagnostics"]
    assert why["path"] == key
    assert why["message"].startswith(f"{key} changed from ")
    assert "needs `fleet down` and `fleet up`" in why["message"]
    assert consider() is Verdict.SAME
    assert declaration.rejected is None
