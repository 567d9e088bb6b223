"""Django's ORM in native tasks: connections that the server has ended harm no later task, and none leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.brokers import answers, unavailable
from tests.conftest import make_broker
from tests.contract.conftest import POOLS
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

APP = "tests.django_project.tasks"


class Postgres:
    """A database of the test's own, seen from outside."""

    def __init__(self) -> None:
        self.name = f"fleet_{unique()}"
        self._admin = psycopg.connect(_url("postgres"), autocommit=True)
        self._admin.execute(f'CREATE DATABASE "{self.name}"')
        with psycopg.connect(_url(self.name), autocommit=True) as own:
            own.execute(
                "CREATE TABLE django_project_order (id bigserial PRIMARY KEY, number integer NOT NULL)"
            )

    def settings(self, **more: Any) -> str:
        """For $DJANGO_DATABASE."""
        host, port = _HOST
        return json.dumps({"NAME": self.name, "HOST": host, "PORT": port, "USER": "postgres", **more})

    def orders(self) -> list[int]:
        with psycopg.connect(_url(self.name)) as own:
            return [row[0] for row in own.execute("SELECT number FROM django_project_order ORDER BY number")]

    def connections(self) -> int:
        """Of the worker."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name <> 'fleet-test'"
        )
        row = self._admin.execute(query, [self.name]).fetchone()
        assert row is not None
        return int(row[0])

    def end_connections(self) -> int:
        """As a restart or a failover does; how many there were."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        return len(self._admin.execute(query, [self.name]).fetchall())

    def close(self) -> None:
        self._admin.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self._admin.close()


_HOST = ("127.0.0.1", 5432)


def _url(database: str) -> str:
    return f"postgresql://postgres@{_HOST[0]}:{_HOST[1]}/{database}?application_name=fleet-test"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if not answers(_HOST[1]):
        unavailable("PostgreSQL")
    database = Postgres()
    yield database
    database.close()


@pytest.fixture(params=POOLS)
def worker(request: pytest.FixtureRequest, short_folder: Path, postgres: Postgres) -> Iterator[Worker]:
    """Four at once; not started yet."""
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, request.param, {"app": (APP,), "concurrency": 4})
        try:
            yield worker
        finally:
            worker.stop()
            mailbox.close()


def place(worker: Worker, numbers: range, *seconds: float) -> None:
    for number in numbers:
        worker.mailbox.send(f"{APP}.place", number, *seconds)


@pytest.mark.parametrize(
    "kept",
    [
        {},  # Django's default: none
        {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    ],
    ids=["none-kept", "kept-and-checked"],
)
def test_tasks_after_the_database_ended_its_connections_are_done(
    worker: Worker, postgres: Postgres, kept: dict[str, Any]
) -> None:
    worker.environment["DJANGO_DATABASE"] = postgres.settings(**kept)
    worker.start()
    place(worker, range(20))
    eventually(lambda: len(postgres.orders()) == 20, within=30, message=worker.log())
    postgres.end_connections()
    place(worker, range(20, 60))
    eventually(lambda: postgres.orders() == list(range(60)), within=30, message=worker.log())
    assert "failed for good" not in worker.log()


def test_a_kept_connection_that_is_not_checked_fails_one_task_a_slot_at_most(
    worker: Worker, postgres: Postgres
) -> None:
    worker.environment["DJANGO_DATABASE"] = postgres.settings(CONN_MAX_AGE=None)
    worker.start()
    place(worker, range(20))
    eventually(lambda: len(postgres.orders()) == 20, within=30, message=worker.log())
    held = postgres.end_connections()
    place(worker, range(20, 60))
    eventually(
        lambda: len(postgres.orders()) + worker.log().count("failed for good") == 60,
        within=30,
        message=worker.log(),
    )
    assert worker.log().count("failed for good") <= held


@pytest.mark.parametrize("age", [0, None], ids=["none-kept", "kept"])
def test_no_more_connections_than_slots_are_ever_open(
    worker: Worker, postgres: Postgres, age: int | None
) -> None:
    worker.environment["DJANGO_DATABASE"] = postgres.settings(CONN_MAX_AGE=age)
    worker.start()
    place(worker, range(60), 0.02)
    most = 0

    def done() -> bool:
        nonlocal most
        most = max(most, postgres.connections())
        return len(postgres.orders()) == 60

    eventually(done, within=30, message=worker.log())
    # What a thread has closed the server still lists until that backend has ended, while the next one is there.
    assert most <= worker.concurrency * (2 if age == 0 else 1)
    if age == 0 or worker.pool in ("gevent", "eventlet"):
        eventually(lambda: postgres.connections() == 0, within=10, message="no connection left")
