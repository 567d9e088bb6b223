"""The one place that chooses by a broker's URL: consumer, publisher, store, dead letters, statistics, preflight.

Imports the backend that is needed and no other: a worker on SQLite never loads kombu.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.urls import mask_url, refuse_bad_url, scheme, sqlite_path, unavailable
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec

if TYPE_CHECKING:
    from fleet.broker.consumer import BrokerConsumer, Subscription
    from fleet.broker.dead_letters import DeadLetters
    from fleet.broker.leased.store import LeasedStore
    from fleet.broker.preflight import Preflight
    from fleet.broker.publisher import Publisher
    from fleet.broker.pulses import Pulses
    from fleet.broker.redis.unacked import Unacked
    from fleet.broker.stats import QueueStats


def open_consumer(subscription: Subscription) -> BrokerConsumer:
    """Nothing is connected yet."""
    broker = subscription.broker
    if is_leased(broker.url):
        from fleet.broker.leased.consumer import LeasedConsumer

        return LeasedConsumer(lambda: open_store(broker, owner=subscription.identity), subscription)
    if scheme(broker.url) == "amqp":
        from fleet.broker.rabbitmq.consumer import RabbitConsumer

        return RabbitConsumer(subscription)
    from fleet.broker.other_kombu.consumer import KombuConsumer

    return KombuConsumer(subscription)


def is_leased(url: str) -> bool:
    return scheme(url) in ("sqlite", "redis")


def is_there(broker: BrokerSpec) -> bool:
    """False for a file that nobody has used yet: who only looks must not make it."""
    return scheme(broker.url) != "sqlite" or sqlite_path(broker.url).exists()


def open_store(broker: BrokerSpec, *, owner: str = "") -> LeasedStore:
    """Connected; only for a URL that `is_leased`. Raises BrokerUnavailable."""
    refuse_bad_url(broker.url, broker.transport_options)
    if scheme(broker.url) == "sqlite":
        from fleet.broker.sqlite.store import SqliteStore

        return SqliteStore(sqlite_path(broker.url), owner=owner, lease_seconds=broker.lease_seconds)
    try:
        from fleet.broker.redis import RedisStore
    except ImportError as error:
        raise BrokerUnavailable(
            f"{mask_url(broker.url)}: {error}; the client comes with: pip install 'fleet-workers[redis]'"
        ) from error
    return RedisStore(
        broker.url,
        owner=owner,
        lease_seconds=broker.lease_seconds,
        transport_options=broker.transport_options,
    )


def open_publisher(broker: BrokerSpec) -> Publisher:
    """Connected. Raises BrokerUnavailable."""
    if is_leased(broker.url):
        from fleet.broker.leased.publisher import LeasedPublisher

        return LeasedPublisher(open_store(broker))
    if scheme(broker.url) == "amqp":
        from fleet.broker.rabbitmq.publisher import RabbitPublisher

        return RabbitPublisher(broker)
    from fleet.broker.other_kombu.connection import KombuConnection

    return KombuConnection(broker)


def open_dead_letters(broker: BrokerSpec) -> DeadLetters | None:
    """Connected; None when nobody has ever used this broker. Raises BrokerUnavailable."""
    refuse_bad_url(broker.url, broker.transport_options)
    if is_leased(broker.url):
        from fleet.broker.leased.dead_letters import LeasedDeadLetters

        return LeasedDeadLetters(lambda owner: open_store(broker, owner=owner)) if is_there(broker) else None
    if scheme(broker.url) == "amqp":
        from fleet.broker.rabbitmq.dead_letters import RabbitDeadLetters

        return RabbitDeadLetters(broker)
    raise BrokerUnavailable(
        f"{mask_url(broker.url)}: fleet can't look into dead-letter queues of {scheme(broker.url)}:// brokers"
    )


def open_unacked(broker: BrokerSpec) -> Unacked | None:
    """What Celery workers hold or have left. Connected; None where nothing can be left. Raises BrokerUnavailable."""
    refuse_bad_url(broker.url, broker.transport_options)
    if scheme(broker.url) != "redis":
        return None
    from fleet.broker.redis.unacked import Unacked

    return Unacked(broker)


def open_pulses(broker: BrokerSpec, fleet: str) -> Pulses | None:
    """Nothing is connected yet; None where the broker carries none: it is a file of one host, or kombu's."""
    if scheme(broker.url) == "amqp":
        from fleet.broker.rabbitmq.pulses import RabbitPulses

        return RabbitPulses(broker, fleet)
    if scheme(broker.url) == "redis":
        from fleet.broker.redis.pulses import RedisPulses

        return RedisPulses(broker, fleet)
    return None


def queue_stats(routing: RoutingSpec) -> list[QueueStats]:
    """One for each declared queue, in their order. Blocks for some seconds at worst. Raises BrokerUnavailable."""
    broker = routing.broker
    if is_leased(broker.url):
        from fleet.broker.leased.stats import leased_stats, nothing_yet

        if not is_there(broker):
            return nothing_yet(routing.queues)
        store = open_store(broker)
        try:
            return leased_stats(store, routing.queues)
        finally:
            store.close()
    refuse_bad_url(broker.url, broker.transport_options)
    if scheme(broker.url) == "amqp":
        from fleet.broker.rabbitmq.stats import rabbitmq_stats

        return rabbitmq_stats(broker, routing.queues)
    from fleet.broker.other_kombu.stats import kombu_stats

    return kombu_stats(broker, routing.queues)


def broker_alarm(broker: BrokerSpec) -> str | None:
    """Why the broker takes no messages now although it can be reached; None when it does. As `queue_stats`."""
    if scheme(broker.url) != "amqp":
        return None  # others say so of each message
    from fleet.broker.rabbitmq.alarms import alarm

    return alarm(broker)


def preflight(
    broker: BrokerSpec, queues: Sequence[QueueSpec], *, connections: int, seconds: float
) -> Preflight:
    """`connections`: how many the fleet needs. Raises BrokerUnavailable, at the latest after `seconds`."""
    outcome: list[Preflight | BrokerUnavailable] = []

    def ask() -> None:
        try:
            outcome.append(_preflight(broker, queues, connections))
        except BrokerUnavailable as error:
            outcome.append(error)
        except Exception as error:  # drivers raise anything for a URL, a port or a package that is not right
            outcome.append(unavailable(broker.url, error))

    # Name resolution and a handshake can hang where no timeout of ours reaches; a daemon thread can be left.
    thread = Thread(target=ask, name="preflight", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise BrokerUnavailable(f"{mask_url(broker.url)}: no answer within {seconds:g} s")
    if isinstance(outcome[0], BrokerUnavailable):
        raise outcome[0]
    return outcome[0]


def _preflight(broker: BrokerSpec, queues: Sequence[QueueSpec], connections: int) -> Preflight:
    refuse_bad_url(broker.url, broker.transport_options)
    match scheme(broker.url):
        case "amqp":
            from fleet.broker.rabbitmq.preflight import preflight_rabbitmq

            return preflight_rabbitmq(broker, queues, connections)
        case "redis":
            from fleet.broker.redis.preflight import preflight_redis

            return preflight_redis(broker, queues, connections)
        case "sqlite":
            from fleet.broker.sqlite.preflight import preflight_sqlite

            return preflight_sqlite(broker)
    from fleet.broker.other_kombu.connection import KombuConnection
    from fleet.broker.preflight import Preflight

    KombuConnection(broker).close()
    return Preflight(scheme(broker.url), compared=False)
