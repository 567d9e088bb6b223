"""What is wrong with a broker URL, and what Redis' client gets of one that is right."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.transport import TRANSPORT_ALIASES

from fleet.broker.redis.address import addresses
from fleet.broker_url.mistakes import mistakes
from fleet.broker_url.parts import SCHEMES, alternatives


def found(url: str, **options: Any) -> list[str]:
    return [mistake.kind for mistake in mistakes(url, options)]


def test_every_scheme_that_kombu_knows_is_known() -> None:
    assert {name.lower() for name in TRANSPORT_ALIASES if not name.startswith("fleet-")} <= set(SCHEMES)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@127.0.0.1:5672//",
        "amqp://u:p%2Fw@h/v;amqp://u:p@i/v",
        "amqps://h/v?heartbeat=10",
        "amqp://",
        "redis://",
        "redis:///0",
        "redis://[::1]:6379/0",
        "redis://:p%40w@h:6379/0?client_name=a@b",
        "REDIS://h/0",
        "unix:///run/redis.sock",
        "redis+socket:///run/redis.sock?virtual_host=1",
        "sqlite:////tmp/a b;c#d@e/broker.db",
        "sqla+sqlite:///x.db",
        "sqs://AKIA:a%2Fb@",
        "memory://",
        "filesystem://",
        "mongodb://a:1,b:2/x",
        "my.package:Transport://h",
    ],
)
def test_what_works_is_not_found_fault_with(url: str) -> None:
    assert found(url) == []


@pytest.mark.parametrize(
    "url", ["amqp://u:p@w@h/v", "redis://:a:b@h/0", "redis://:a b@h/0", "redis://:100%@h/0"]
)
def test_what_every_client_still_reads_is_a_warning(url: str) -> None:
    assert [(mistake.kind, mistake.harmless) for mistake in mistakes(url)] == [("password", True)]


@pytest.mark.parametrize(
    ("url", "help_"),
    [
        ("ampq://h", "amqp://"),
        ("redi://h", "redis://"),
        ("sqllite:///x", "sqlite://"),
        ("sentinal://h", "sentinel://"),
        ("redis://h?sockettimeout=1", "socket_timeout"),
        ("rediss://h?ca_certs=x", "ssl_ca_certs"),
        ("$URL", "${URL}"),
    ],
)
def test_a_mistaken_broker_url_is_answered_with_what_was_meant(url: str, help_: str) -> None:
    (mistake,) = mistakes(url, {})
    assert help_ in str(mistake.help)


def test_urls_part_only_where_another_one_begins() -> None:
    assert alternatives("redis://:a;b@h/0; redis://i/1") == ["redis://:a;b@h/0", "redis://i/1"]


@pytest.mark.parametrize(
    ("url", "kombus", "tls"),
    [
        ("redis://h/3", "redis://h/3", None),
        ("valkey://u:p@h:1/3", "redis://u:p@h:1/3", None),
        ("redis://:p@w:x@h", "redis://:p%40w%3Ax@h/", None),
        ("redis://h?db=3&username=u&password=a%2Fb", "redis://u:a%2Fb@h/3", None),
        ("unix:///r.sock", "redis+socket:///r.sock?virtual_host=0", None),
        ("unix://u:p@/r.sock?db=2", "redis+socket://u:p@/r.sock?virtual_host=2", None),
        ("REDISS://h/0", "rediss://h/0", {"ssl_cert_reqs": "required"}),
        ("redis://h/0?ssl_ca_certs=x", "redis://h/0", {"ssl_cert_reqs": "required", "ssl_ca_certs": "x"}),
        (
            "valkeys://h?ssl_cert_reqs=NONE",
            "rediss://h/",
            {"ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
    ],
)
def test_kombu_gets_the_url_without_what_means_something_else_to_it(
    url: str, kombus: str, tls: dict[str, Any] | None
) -> None:
    (address,) = addresses(url, {})
    assert (address.url, address.tls) == (kombus, tls)


def test_no_tls_unless_it_is_asked_for() -> None:
    assert addresses("redis://h", {"ssl": False})[0].tls is None
    assert addresses("redis://h", {"ssl": True})[0].tls == {"ssl_cert_reqs": "required"}


def test_sentinels_are_one_address() -> None:
    (address,) = addresses("sentinel://:p@a:1/2;sentinel://b:2", {"master_name": "m"})
    assert address.url == "sentinel://:p@a:1/2;sentinel://b:2/"


@pytest.mark.parametrize(
    ("url", "text", "advice"),
    [
        (
            "redis://:$REDIS_PASSWORD@redis/0",
            '"$REDIS_PASSWORD" is no reference to a variable',
            'write "${REDIS_PASSWORD}"',
        ),
        (
            "amqp://$USER:$PASS@h/",
            '"$USER" and "$PASS" are no references to variables',
            'write "${USER}" and "${PASS}"',
        ),
        (
            "amqp://u:x@mq1,mq2/shop",
            "there are several hosts in one broker URL",
            "one URL for each, parted by a semicolon: URL;URL",
        ),
        (
            "amqp://u:x@mq1:5672,mq2:5672/shop",
            "there are several hosts in one broker URL",
            "one URL for each, parted by a semicolon: URL;URL",
        ),
    ],
)
def test_what_was_meant_by_a_url_of_other_tools(url: str, text: str, advice: str) -> None:
    (found,) = mistakes(url)
    assert (found.text, found.help, found.harmless) == (text, advice, False)


@pytest.mark.parametrize("url", ["redis://:$HUNTER2@h/0", "amqp://u:$ecret@h/"])
def test_a_password_that_begins_with_a_dollar_is_no_reference(url: str) -> None:
    assert list(mistakes(url)) == []
