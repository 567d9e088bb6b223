"""The general cases of kombu's integration tests that its file for Redis does not use.

Copied into kombu's tests and run there, where `t` is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from socket import timeout as Timeout  # noqa: N812

import kombu
import pytest
from t.integration import common

URL = os.environ["KOMBU_SUITE_URL"]
DEAD = f"redis://localhost:{os.environ['KOMBU_SUITE_DEAD_PORT']}"


@pytest.fixture
def connection():
    return kombu.Connection(URL)


@pytest.fixture
def invalid_connection():
    return kombu.Connection(DEAD)


@pytest.fixture
def failover_connection():
    return kombu.Connection(f"{DEAD};{URL}")


class TestBasic(common.BasicFunctionality):
    pass


class TestTimeToLive(common.BaseTimeToLive):
    pass


class TestExchangeTypes(common.BaseExchangeTypes):
    pass


class TestMessage(common.BaseMessage):
    pass


class TestEventLoop(common.BaseEventLoop):
    pass


class TestFailover(common.BaseFailover):
    pass


class TestPriority(common.BasePriority):
    """As on AMQP: one drain_events takes all there is. On Redis lower numbers go first, on SQLite higher ones."""

    PRIORITY_ORDER = "asc" if os.environ["KOMBU_SUITE_KIND"] == "sqlite" else "desc"

    @pytest.fixture(autouse=True)
    def _drain_all(self, monkeypatch):
        one = kombu.Connection.drain_events

        def drain_events(self, **kwargs):
            one(self, **kwargs)
            with suppress(Timeout):
                while True:
                    one(self, timeout=0.2)

        monkeypatch.setattr(kombu.Connection, "drain_events", drain_events)
