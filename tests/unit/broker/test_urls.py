"""No password leaves through a URL that is shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.urls import mask_url, refuse_bad_url, scheme, sqlite_path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://guest:s3cret@host:5672//", "amqp://guest:***@host:5672//"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("amqp://u:p@ss/w:ord@host//", "amqp://u:***@host//"),
        ("amqp://a:1@x//;amqp://b:2@y//", "amqp://a:***@x//;amqp://b:***@y//"),
        ("redis://h/0?password=s3cret&db=1", "redis://h/0?password=***&db=1"),
        ("sqs://key:secret@", "sqs://key:***@"),
        ("amqp://host//", "amqp://host//"),
        ("$(BROKER_URL)", "$(BROKER_URL)"),
        ("%(BROKER_URL)s", "%(BROKER_URL)s"),
        ("amqp://user@host//", "amqp://user@host//"),
        ("sqlite:////tmp/a:b/broker.db", "sqlite:////tmp/a:b/broker.db"),
        ("memory://", "memory://"),
        ("", ""),
    ],
)
def test_a_password_in_a_url_is_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@given(st.text(min_size=4).filter(lambda text: "*" not in text))
def test_no_quoted_password_survives(password: str) -> None:
    secret = "#" + password + "#"
    assert quote(secret, safe="") not in mask_url(f"amqp://user:{quote(secret, safe='')}@host:5672/vhost")


@pytest.mark.parametrize(
    ("url", "family"),
    [
        ("amqps://x", "amqp"),
        ("rediss://x", "redis"),
        ("valkeys://x", "redis"),
        ("sentinel://x;sentinel://y", "redis"),
        ("redis+socket:///x", "redis"),
        ("SQLite:///x", "sqlite"),
        ("memory://", "memory"),
    ],
)
def test_a_url_belongs_to_the_family_of_its_scheme(url: str, family: str) -> None:
    assert scheme(url) == family


def test_a_sqlite_url_gives_the_path_of_its_file() -> None:
    assert sqlite_path("sqlite:////var/lib/b.db") == Path("/var/lib/b.db")
    assert sqlite_path("sqlite:///data/b.db") == Path("data/b.db")
    assert sqlite_path("sqlite:///data/50%25 #1/b.db") == Path("data/50%25 #1/b.db")


def test_of_a_url_that_is_masked_as_a_whole_only_what_is_wrong_is_said() -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        refuse_bad_url("shop:s3cret@rabbit")
    assert str(caught.value).startswith("the broker URL has no scheme")
