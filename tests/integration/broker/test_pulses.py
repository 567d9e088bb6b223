"""What carries pulses of hosts: the same on Redis and RabbitMQ, but for who remembers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import open_pulses
from fleet.broker.pulses import KEPT_SECONDS, LONGEST_BYTES, Pulses
from fleet.spec import BrokerSpec
from tests.conftest import Broker, make_broker
from tests.support import eventually

pytestmark = pytest.mark.broker


@pytest.fixture(params=["redis", "amqp"])
def broker(request: pytest.FixtureRequest, short_folder: Any) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


def carrier(broker: Broker) -> Pulses:
    pulses = open_pulses(BrokerSpec(broker.url), broker.queue("fleet"))
    assert pulses is not None
    return pulses


def test_each_host_is_heard_with_its_last_pulse_and_no_longer_after_its_goodbye(broker: Broker) -> None:
    one, other = carrier(broker), carrier(broker)
    assert one.heard() == {}
    other.publish("b", "first")
    other.publish("b", "second")
    one.publish("a", "mine")
    found = eventually(lambda: (both := one.heard()).keys() == {"a", "b"} and both, message="both are heard")
    assert found["b"][0] == "second"
    assert 0 <= found["b"][1] < 60
    other.publish("b", "")
    eventually(lambda: one.heard().keys() == {"a"}, message="b has gone")
    one.close()
    other.close()


def test_fifty_hosts_are_heard_by_one(broker: Broker) -> None:
    listener, speaker = carrier(broker), carrier(broker)
    listener.heard()
    for number in range(50):
        for text in ("before", "now"):
            speaker.publish(f"host-{number}", text)
    heard = eventually(
        lambda: (
            len(all_of := listener.heard()) == 50
            and {text for text, _ in all_of.values()} == {"now"}
            and all_of
        ),
        message="all fifty",
    )
    assert len(heard) == 50
    listener.close()
    speaker.close()


def test_a_host_grows_older_by_the_clock_of_who_hears_it_and_is_forgotten(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = carrier(broker)
    listener.heard()
    listener.publish("a", "text")
    eventually(lambda: listener.heard().keys() == {"a"}, message="a is heard")
    ages = [listener.heard()["a"][1] for _ in range(3)]
    assert ages == sorted(ages)
    assert ages[-1] < KEPT_SECONDS
    monkeypatch.setattr(f"{type(listener).__module__}.KEPT_SECONDS", -1.0)
    assert listener.heard() == {}
    listener.publish("a", "")
    listener.close()


def test_a_lost_connection_is_made_again_and_what_was_heard_is_still_known(broker: Broker) -> None:
    listener, speaker = carrier(broker), carrier(broker)
    listener.heard()
    speaker.publish("b", "text")
    eventually(lambda: "b" in listener.heard(), message="b is heard")
    _cut(listener)
    with pytest.raises(BrokerUnavailable):
        listener.heard()
    assert "b" in listener.heard()
    speaker.publish("b", "")
    listener.close()
    speaker.close()


def _cut(pulses: Any) -> None:
    import socket

    opened = pulses._opened[0].amqp.sock if hasattr(pulses, "_opened") else pulses._wire._connection._sock
    opened.shutdown(socket.SHUT_RDWR)


def test_the_embedded_broker_is_of_one_host() -> None:
    assert open_pulses(BrokerSpec("sqlite:////tmp/broker.db"), "shop") is None


def test_what_a_neighbour_says_is_bounded_in_number_and_size(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.name == "redis":
        pytest.skip("there the hosts' own hash is all that is read")
    monkeypatch.setattr("fleet.broker.rabbitmq.pulses.MOST_HOSTS", 3)
    listener, neighbour = carrier(broker), carrier(broker)
    listener.heard()
    neighbour.publish("huge", "x" * (LONGEST_BYTES + 1))
    for number in range(5):
        neighbour.publish(f"host-{number}", "now")
    eventually(lambda: "host-4" in listener.heard(), message="the last is heard")
    assert listener.heard().keys() == {"host-2", "host-3", "host-4"}
    listener.close()
    neighbour.close()
