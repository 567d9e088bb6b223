"""The judge judged: faults put into the product on purpose are found within a few hundred schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fleet.broker.rabbitmq.consumer import RabbitConsumer
from fleet.broker.redis import RedisStore
from fleet.broker.sqlite.store import SqliteStore
from fleet.worker.connection import BrokerConnection
from tests.simulated import known_faults
from tests.simulated.running import first_breach

SEEDS = range(300)
Patch = Callable[[pytest.MonkeyPatch], None]


def drop_each_third_ack(patch: pytest.MonkeyPatch) -> None:
    """A worker that forgets to acknowledge."""
    real, seen = BrokerConnection.ack, [0]

    def ack(connection: BrokerConnection, delivery: Any) -> None:
        seen[0] += 1
        if seen[0] % 3:
            real(connection, delivery)

    patch.setattr(BrokerConnection, "ack", ack)


def requeue_in_place_of_ack(patch: pytest.MonkeyPatch) -> None:
    """What has succeeded goes back."""
    real, seen = BrokerConnection.ack, [0]

    def ack(connection: BrokerConnection, delivery: Any) -> None:
        seen[0] += 1
        if seen[0] % 5:
            real(connection, delivery)
        else:
            connection.requeue([delivery], counted=False)

    patch.setattr(BrokerConnection, "ack", ack)


def settle_twice(patch: pytest.MonkeyPatch) -> None:
    real = BrokerConnection.requeue

    def requeue(connection: BrokerConnection, deliveries: Sequence[Any], *, counted: bool) -> None:
        real(connection, deliveries, counted=counted)
        real(connection, deliveries, counted=counted)

    patch.setattr(BrokerConnection, "requeue", requeue)


def ack_what_failed(patch: pytest.MonkeyPatch) -> None:
    """A retry that is never published."""
    patch.setattr(BrokerConnection, "retry", lambda connection, delivery, *_: connection.ack(delivery))


def repost_without_ack(patch: pytest.MonkeyPatch) -> None:
    def repost(line: RabbitConsumer, deliveries: list[Any], *, counted: bool) -> None:
        from fleet.broker.reposting import given_back

        if deliveries:
            line._outgoing.publish([given_back(each, counted=counted) for each in deliveries])

    patch.setattr(RabbitConsumer, "_repost", repost)


def redis_ack_of_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RedisStore, "ack", lambda _store, tags: len(tags))


def redis_publish_beside_the_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RedisStore, "replace", lambda store, _tag, posting: store.publish([posting]) or True)


def sqlite_ack_of_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqliteStore, "ack", lambda _store, tags: len(tags))


def sqlite_delete_before_publishing(patch: pytest.MonkeyPatch) -> None:
    def replace(store: SqliteStore, tag: Any, posting: Any) -> bool:
        store.ack([tag])
        store.publish([posting])
        return True

    patch.setattr(SqliteStore, "replace", replace)


FAULTS: list[tuple[str, Patch]] = [
    *((broker, drop_each_third_ack) for broker in ("rabbitmq", "redis", "sqlite")),
    *((broker, requeue_in_place_of_ack) for broker in ("rabbitmq", "redis", "sqlite")),
    *((broker, settle_twice) for broker in ("rabbitmq", "redis", "sqlite")),
    *((broker, ack_what_failed) for broker in ("rabbitmq", "redis", "sqlite")),
    ("rabbitmq", repost_without_ack),
    ("redis", redis_ack_of_nothing),
    ("redis", redis_publish_beside_the_claim),
    ("sqlite", sqlite_ack_of_nothing),
    ("sqlite", sqlite_delete_before_publishing),
]


@pytest.mark.parametrize(("broker", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_made_on_purpose_is_found(broker: str, fault: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_faults, "KNOWN", ())
    fault(monkeypatch)
    assert first_breach(broker, SEEDS, shrinks=False) is not None
