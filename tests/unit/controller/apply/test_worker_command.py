"""Who gets a zygote, and which workers share one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fleet.controller.apply.worker_command import preload_command
from fleet.controller.state.effective import effective_state
from fleet.controller.state.overrides import Overrides
from fleet.controller.state.revisions import Revisions
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from tests.unit.controller.world import fleet, group

SECRET = "redis://user:secret@host/0"
SPEC = replace(group().spec, preload=True, pool="threads", broker=BrokerSpec(SECRET))


def told(spec: WorkerSpec, edition: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(preload_command(spec, edition)[-1])
    return found


def test_only_a_group_with_preload_gets_a_zygote() -> None:
    assert preload_command(replace(SPEC, preload=False), 0) == ()
    assert preload_command(SPEC, 0)


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_green_pool_gets_no_zygote(pool: str) -> None:
    assert preload_command(replace(SPEC, pool=pool), 0) == ()


def test_no_secret_is_on_the_command_line() -> None:
    assert "secret" not in " ".join(preload_command(SPEC, 0))
    assert told(SPEC)["broker"] == "redis"


def test_the_app_is_imported_where_it_runs() -> None:
    assert told(SPEC)["app"] == list(SPEC.app)
    assert told(replace(SPEC, pool="prefork"))["app"] == []


def test_a_change_that_replaces_workers_brings_another_one_and_a_live_one_does_not() -> None:
    assert preload_command(replace(SPEC, environment={"A": "1"}), 0) != preload_command(SPEC, 0)
    assert preload_command(replace(SPEC, concurrency=SPEC.concurrency + 1), 0) == preload_command(SPEC, 0)


def test_a_restart_brings_another_zygote() -> None:
    once = Overrides().renew(["http:0.1"], "new code")
    twice = once.renew(["http:0.2"], "newer code")
    editions = [
        effective_state(fleet(group()), Revisions(), each).groups[0].edition
        for each in (Overrides(), once, twice)
    ]
    assert len({preload_command(SPEC, edition) for edition in editions}) == 3
    assert Overrides.from_json(twice.fit([]).to_json()).edition == 2, "remembered, when all are renewed, too"
