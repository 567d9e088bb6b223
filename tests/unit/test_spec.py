"""Specs come back from their JSON as they were, and a revision changes exactly with the settings."""

from __future__ import annotations

import typing
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control import Report
from fleet.spec import (
    LIVE_SETTINGS,
    BrokerSpec,
    ProgramSpec,
    QueueSpec,
    RouteSpec,
    RoutingSpec,
    WorkerLaunch,
    WorkerSpec,
)

texts = st.text(max_size=8)
json_values = st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers(), max_size=2)
tables = st.dictionaries(texts, json_values, max_size=3)
numbers = st.floats(0, 1e6)
brokers = st.builds(BrokerSpec, texts, st.lists(texts, max_size=2).map(tuple), numbers, numbers, tables)
queues = st.builds(
    QueueSpec,
    name=texts,
    exchange=texts,
    durable=st.booleans(),
    max_priority=st.none() | st.integers(),
    arguments=tables,
)
routes = st.builds(RouteSpec, st.lists(texts, max_size=3).map(tuple), texts, st.none() | st.integers())
routings = st.builds(
    RoutingSpec, brokers, st.lists(queues, max_size=3).map(tuple), st.lists(routes, max_size=3).map(tuple)
)
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


@given(routings)
def test_routing_survives_json(routing: RoutingSpec) -> None:
    assert RoutingSpec.from_json(routing.to_json()) == routing


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


def test_the_shape_of_a_spec_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled from text: most of what a worker's report cost the controller, every second."""
    text = Report("http/0", 1, "r", "ready", children=(2, 3)).to_json()
    first = Report.from_json(text)
    monkeypatch.setattr(typing, "get_type_hints", lambda _: pytest.fail("asked again"))
    assert Report.from_json(text) == first


def test_unknown_and_missing_fields_are_errors() -> None:
    with pytest.raises(TypeError, match="colour"):
        QueueSpec.from_dict({"name": "q", "colour": "red"})
    with pytest.raises(TypeError, match="name"):
        QueueSpec.from_dict({})


def test_a_queue_is_found_by_name() -> None:
    routing = RoutingSpec(BrokerSpec("memory://"), (QueueSpec("a"), QueueSpec("b")), ())
    assert routing.queue("b") == QueueSpec("b")
    with pytest.raises(KeyError):
        routing.queue("c")


def test_a_launch_file_of_a_version_that_knew_no_largest_message_loads() -> None:
    written = BrokerSpec("memory://").to_dict()
    del written["max_message_bytes"]
    assert BrokerSpec.from_dict(written).max_message_bytes == 128 * 2**20


def test_a_later_field_is_not_written_while_it_says_what_held_before() -> None:
    plain = BrokerSpec("amqp://x")
    assert "max_message_bytes" not in plain.to_json()
    assert BrokerSpec.from_json(plain.to_json()) == plain
    other = BrokerSpec("amqp://x", max_message_bytes=1024)
    assert '"max_message_bytes": 1024' in other.to_json()
    assert BrokerSpec.from_json(other.to_json()) == other


def test_the_revision_of_a_group_is_what_it_was_before_the_later_fields() -> None:
    """By the code of the first release: an upgrade is no reason to replace workers."""
    spec = WorkerSpec("f", "g", ("a",), ("/x",), BrokerSpec("amqp://x"), (QueueSpec("q"),), "solo", 1)
    assert spec.revision == "4d95e2f88ea7"
    assert replace(spec, opened_at_import="refuse").revision != spec.revision


@pytest.mark.parametrize(
    ("lease", "heartbeat", "every"), [(30.0, 60.0, 10.0), (30.0, 6.0, 2.0), (30.0, 0.0, 10.0)]
)
def test_a_worker_renews_often_enough_for_the_shorter_of_lease_and_heartbeat(
    lease: float, heartbeat: float, every: float
) -> None:
    spec = BrokerSpec("amqp://x", lease_seconds=lease, heartbeat_seconds=heartbeat)
    assert spec.renew_every_seconds == every


@pytest.mark.parametrize(("pool", "slots"), [("solo", 1), ("prefork", 7), ("gevent", 7)])
def test_a_worker_runs_as_many_at_once_as_its_pool_allows(pool: str, slots: int) -> None:
    spec = WorkerSpec("f", "g", ("a",), ("/x",), BrokerSpec("amqp://x"), (QueueSpec("q"),), pool, 7)
    assert spec.slots == slots
