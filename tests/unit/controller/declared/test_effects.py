"""The table of what a change of a key takes, held to the model and to what really happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.config import model
from fleet.config.table import Table
from fleet.controller.declared.declaration import Declaration, FileVerdict
from fleet.controller.declared.diff import of_fleet, of_group, refusals
from fleet.controller.declared.effects import EFFECTS, Effect
from fleet.controller.declared.reading import read
from fleet.controller.log.events import EventLog
from fleet.fleet_state import FleetState

TABLES: dict[str, type[Table]] = {
    "fleet": model.Project,
    "broker": model.Broker,
    "machine": model.MachineTable,
    "queues": model.Queue,
    "routes": model.Route,
    "schedules": model.Schedule,
    "workers": model.WorkerGroup,
    "rollout": model.Rollout,
    "dashboard": model.Dashboard,
    "history": model.HistorySettings,
    "alerts": model.Alerts,
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
    "history": {},
    "alerts": {"command": '["true"]'},
    "lint": {"ignore": '["FLT608", "FLT804"]'},
    "[routes]": {"task": '"*"', "queue": '"io"'},
    "[schedules]": {"task": '"shop.nightly"', "cron": '"0 3 * * *"'},
}
HEADERS = {"queues": "queues.io", "workers": "workers.http", "routes": "[routes]", "schedules": "[schedules]"}

EDITS = {
    "fleet.app": '"csv"',
    "fleet.name": '"other"',
    "fleet.timezone": '"Europe/Berlin"',
    "fleet.beat": "false",
    "fleet.beat_scheduler": '"json:JSONDecoder"',
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
    "broker.max_message_size": '"64MiB"',
    "broker.max_connections": "500",
    "machine.cpus": "64",
    "machine.memory": '"64GiB"',
    "machine.nofile": "65536",
    "machine.free_threaded": "true",
    "queues.workload": '"io"',
    "queues.exchange": '"x"',
    "queues.exchange_type": '"topic"',
    "queues.routing_key": '"other"',
    "queues.durable": "false",
    "queues.max_priority": "5",
    "queues.message_ttl": '"1h"',
    "queues.dead_letter": '"graveyard"',
    "queues.arguments": "{ x = 1 }",
    "queues.alert_wait": '"90s"',
    "queues.alert_no_success": '"1h"',
    "history.max_size": '"32MiB"',
    "alerts.webhook_file": '"url"',
    "alerts.command": '["false"]',
    "alerts.repeat": '"1h"',
    "routes.task": '"shop.*"',
    "routes.queue": '"two"',
    "routes.priority": "3",
    "schedules.task": '"shop.weekly"',
    "schedules.name": '"report"',
    "schedules.cron": '"0 4 * * *"',
    "schedules.every": '"1h"',
    "schedules.timezone": '"Europe/Berlin"',
    "schedules.args": "[1]",
    "schedules.kwargs": "{ a = 1 }",
    "schedules.queue": '"io"',
    "schedules.priority": "3",
    "schedules.expires": '"1h"',
    "schedules.overlap": '"skip"',
    "schedules.catch_up": '"none"',
    "schedules.jitter": '"30s"',
    "schedules.enabled": "false",
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
    "workers.on": '["gpu"]',
    "workers.nice": "3",
    "workers.user": '"nobody"',
    "workers.preload": "true",
    "workers.opened_at_import": '"refuse"',
    "workers.queue_order": '"strict"',
    "workers.threads": "4",
    "workers.log_level": '"DEBUG"',
    "workers.log_format": '"json"',
    "rollout.max_surge": "2",
    "rollout.max_unavailable": "1",
    "rollout.min_ready": '"3s"',
    "rollout.progress_deadline": '"1m"',
    "rollout.on_failure": '"pause"',
    "rollout.watch": '["*.py"]',
    "dashboard.listen": '"127.0.0.1:9999"',
    "dashboard.token_file": '"fleet.toml"',
    "dashboard.hosts": '["workers.example.com"]',
    "dashboard.root_path": '"/fleet"',
    "dashboard.trusted_proxies": '["127.0.0.1"]',
    "dashboard.arguments": '"hidden"',
    "lint.ignore": '["FLT409", "FLT608", "FLT804"]',
    "lint.severity": '{ FLT309 = "info" }',
}

UNSEEN = {
    "broker.allow_unsafe_serializers",
    "broker.max_connections",
    *("machine.cpus", "machine.memory", "machine.nofile", "machine.free_threaded"),
    "queues.workload",
    *("lint.ignore", "lint.severity"),
}
"""What only `fleet validate` reads: no part of a running fleet."""


def accepted(folder: Path, key: str | None = None) -> FleetState:
    """The base file with one key set otherwise; all rules off, for this is not about them."""
    tables = {name: dict(keys) for name, keys in BASE.items()}
    if key is not None:
        table, _, name = key.partition(".")
        tables[HEADERS.get(table, table)][name] = EDITS[key]
        if key == "schedules.every":
            del tables["[schedules]"]["cron"]  # it is one or the other
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
    written: list[FleetState] = []
    declaration = Declaration(tmp_path / "fleet.toml", None, EventLog(), written.append)

    def consider(changed: str | None = None) -> FileVerdict:
        accepted(tmp_path, changed)
        return asyncio.run(declaration.consider())

    assert consider() is FileVerdict.ADOPTED
    assert consider(key) is FileVerdict.REJECTED
    assert len(written) == 1
    assert declaration.rejected is not None
    (why,) = declaration.rejected["diagnostics"]
    assert why["path"] == key
    assert why["message"].startswith(f"{key} changed from ")
    assert "needs `fleet down` and `fleet up`" in why["message"]
    assert consider() is FileVerdict.SAME
    assert declaration.rejected is None
