"""Specs of launches survive JSON, and a revision follows the settings."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.launch_specs import LIVE_SETTINGS, ProgramSpec, WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec, QueueSpec
from tests.unit.test_spec import brokers, queues, texts

workers = st.builds(
    WorkerSpec,
    fleet=texts,
    group=texts,
    app=st.lists(texts, max_size=2).map(tuple),
    pythonpath=st.lists(texts, max_size=2).map(tuple),
    broker=brokers,
    queues=st.lists(queues, max_size=2).map(tuple),
    pool=texts,
    concurrency=st.integers(1, 1000),
    prefetch=st.none() | st.integers(),
    environment=st.dictionaries(texts, texts, max_size=2),
)


@given(workers)
def test_a_worker_spec_survives_json_with_its_revision(spec: WorkerSpec) -> None:
    back = WorkerSpec.from_json(spec.to_json())
    assert back == spec
    assert back.revision == spec.revision


@given(workers)
def test_a_launch_survives_json(spec: WorkerSpec) -> None:
    launch = WorkerLaunch("http/0", 0, spec.revision, spec, "/run/control.sock", "/run/routing.json")
    assert WorkerLaunch.from_json(launch.to_json()) == launch


@given(workers, st.integers(1001, 2000))
def test_the_revision_follows_the_settings(spec: WorkerSpec, other: int) -> None:
    for live in LIVE_SETTINGS:
        assert replace(spec, **{live: other}).revision == spec.revision
        changed = replace(spec, **{live: other})
        assert (changed.live_revision == spec.live_revision) == (changed == spec)
    for field in fields(WorkerSpec):
        if field.name not in LIVE_SETTINGS:
            changed = replace(spec, **{field.name: str(other)})
            assert changed.revision != spec.revision
            assert changed.live_revision == spec.live_revision
    assert replace(spec).revision == spec.revision


def test_a_program_survives_json() -> None:
    program = ProgramSpec(
        "http", "0", ("python", "-m", "x"), "/", {"A": "b%;#"}, "/log", labels={"n": [1, None]}
    )
    back = ProgramSpec.from_json(program.to_json())
    assert back == program
    assert back.full_name == "http:0"


def test_the_revision_of_a_group_is_what_it_was_before_the_later_fields() -> None:
    """By the code of the first release: an upgrade is no reason to replace workers."""
    spec = WorkerSpec("f", "g", ("a",), ("/x",), BrokerSpec("amqp://x"), (QueueSpec("q"),), "solo", 1)
    assert spec.revision == "4d95e2f88ea7"
    assert replace(spec, opened_at_import="refuse").revision != spec.revision


@pytest.mark.parametrize(("pool", "slots"), [("solo", 1), ("prefork", 7), ("gevent", 7)])
def test_a_worker_runs_as_many_at_once_as_its_pool_allows(pool: str, slots: int) -> None:
    spec = WorkerSpec("f", "g", ("a",), ("/x",), BrokerSpec("amqp://x"), (QueueSpec("q"),), pool, 7)
    assert spec.slots == slots
