"""Specs come back from their JSON as they were; those of launches have tests of their own."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control import Report
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec

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


@given(routings)
def test_routing_survives_json(routing: RoutingSpec) -> None:
    assert RoutingSpec.from_json(routing.to_json()) == routing


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


@pytest.mark.parametrize(
    ("lease", "heartbeat", "every"), [(30.0, 60.0, 10.0), (30.0, 6.0, 2.0), (30.0, 0.0, 10.0)]
)
def test_a_worker_renews_often_enough_for_the_shorter_of_lease_and_heartbeat(
    lease: float, heartbeat: float, every: float
) -> None:
    spec = BrokerSpec("amqp://x", lease_seconds=lease, heartbeat_seconds=heartbeat)
    assert spec.renew_every_seconds == every
