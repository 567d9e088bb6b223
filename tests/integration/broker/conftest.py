"""Fixtures of the tests that speak through kombu, whose names differ from those that others override; and vhosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Broker, make_broker
from tests.integration.broker.clients import Client, clients
from tests.support import unique


@pytest.fixture(params=["sqlite", "redis"])
def client_broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.fixture
def client(client_broker: Broker) -> Iterator[Client]:
    """Opens connections by fleet's transport for that broker."""
    yield from clients(client_broker)


def rabbitmqctl(*arguments: str) -> None:
    subprocess.run(["rabbitmqctl", "--quiet", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture
def vhost(amqp_url: str) -> Iterator[str]:
    """One of the test's own, with a user of the same name; its URL for that user."""
    name = unique("vhost")
    try:
        rabbitmqctl("add_vhost", name)
        rabbitmqctl("add_user", name, "secret")
        rabbitmqctl("set_permissions", "-p", name, name, ".*", ".*", ".*")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no rabbitmqctl that may manage this RabbitMQ: {error}")
    host = amqp_url.rsplit("@", maxsplit=1)[-1].split("/", maxsplit=1)[0]
    yield f"amqp://{name}:secret@{host}/{name}"
    rabbitmqctl("delete_vhost", name)
    rabbitmqctl("delete_user", name)
