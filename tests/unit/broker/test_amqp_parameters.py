"""Parameters of AMQP URLs, as RabbitMQ, hosters and other clients write them."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.rabbitmq import address
from fleet.broker_url.amqp_parameters import faults, known, read, without

BASE = "amqp://user:secret@host:5672/vhost"


def arguments(query: str) -> dict[str, object]:
    return address.arguments(f"{BASE}?{query}", {}, connect_seconds=5)[1]


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("connection_timeout=3000", "connect_timeout", 3.0),
        ("connect_timeout=2", "connect_timeout", 2.0),
        ("connection_timeout=0", "connect_timeout", 5),
        ("channel_max=20", "transport_options", {"channel_max": 20}),
        ("frame_max=4096&channel_max=9", "transport_options", {"frame_max": 4096, "channel_max": 9}),
        ("auth_mechanism=external", "login_method", "EXTERNAL"),
        ("verify=verify_none", "ssl", {"cert_reqs": ssl.CERT_NONE}),
        (
            "cacertfile=/ca.pem&verify=verify_peer",
            "ssl",
            {"ca_certs": "/ca.pem", "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "host"},
        ),
        ("ssl_cert_reqs=CERT_NONE", "ssl", {"cert_reqs": ssl.CERT_NONE}),
        ("server_name_indication=other", "ssl", {"server_hostname": "other"}),
    ],
)
def test_a_known_parameter_is_honoured(query: str, name: str, value: object) -> None:
    assert arguments(query)[name] == value


def test_a_heartbeat_in_the_url_is_read() -> None:
    assert read(f"{BASE}?heartbeat=10").heartbeat_seconds == 10


def test_what_the_file_says_goes_before_the_url() -> None:
    _, given = address.arguments(f"{BASE}?frame_max=9000", {"frame_max": 5000}, connect_seconds=5)
    assert given["transport_options"] == {"frame_max": 5000}


@pytest.mark.parametrize("name", known())
def test_a_value_of_the_wrong_kind_is_told_without_the_value(name: str) -> None:
    url = f"{BASE}?{name}=hunter2?"
    wrong = [fault for fault in faults(url) if not fault.harmless]
    if not wrong:
        return  # takes any text
    assert name in wrong[0].text
    with pytest.raises(BrokerUnavailable, match=name) as caught:
        address.parameters(url)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_parameters_of_other_clients_are_left_out_and_named() -> None:
    found = {fault.name: fault for fault in faults(f"{BASE}?socket_timeout=5&heartbeats=3&heartbeat=9")}
    assert set(found) == {"socket_timeout", "heartbeats"}
    assert all(fault.harmless for fault in found.values())


def test_of_several_urls_each_loses_its_parameters() -> None:
    assert without("amqp://a?x=1;amqp://b/v?y=2") == "amqp://a;amqp://b/v"
    assert [fault.name for fault in faults("amqp://a?x=1;amqp://b/v?y=2")] == ["x", "y"]


@given(st.text())
def test_no_text_behind_the_question_mark_breaks_reading(query: str) -> None:
    url = f"amqp://host/?{query}"
    assert all(isinstance(fault.text, str) for fault in faults(url))
    try:
        address.arguments(url, {}, connect_seconds=5)
    except BrokerUnavailable:
        assert any(not fault.harmless for fault in faults(url))
