"""Ask a broker whether it would take a fleet, for `fleet validate --connect`. Nothing is changed on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.urls import mask_url, scheme
from fleet.spec import BrokerSpec, QueueSpec


@dataclass(frozen=True, slots=True)
class Objection:
    """Something that the broker would refuse, or (not `refused`) take to the fleet's harm.

    `queue` and `argument` say what it is about, `argument` as the broker calls it: "x-max-priority", "type".
    """

    text: str
    help: str | None = None
    queue: str | None = None
    argument: str | None = None
    refused: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """What a broker said. `server` is its product and version."""

    server: str
    objections: tuple[Objection, ...] = ()


def survey(broker: BrokerSpec, queues: Sequence[QueueSpec], *, connections: int, seconds: float) -> Survey:
    """`connections`: how many the fleet needs. Raises BrokerUnavailable, at the latest after `seconds`."""
    outcome: list[Survey | BrokerUnavailable] = []

    def ask() -> None:
        try:
            outcome.append(_survey(broker, queues, connections))
        except BrokerUnavailable as error:
            outcome.append(error)
        except Exception as error:  # drivers raise anything for a URL, a port or a package that is not right
            reason = f"{mask_url(broker.url)}: {type(error).__name__}: {error}"
            outcome.append(BrokerUnavailable(reason))

    # Name resolution and a handshake can hang where no timeout of ours reaches; a daemon thread can be left.
    thread = Thread(target=ask, name="survey", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise BrokerUnavailable(f"{mask_url(broker.url)}: no answer within {seconds:g} s")
    if isinstance(outcome[0], BrokerUnavailable):
        raise outcome[0]
    return outcome[0]


def _survey(broker: BrokerSpec, queues: Sequence[QueueSpec], connections: int) -> Survey:
    match scheme(broker.url):
        case "amqp":
            from fleet.broker.survey.amqp import survey_amqp

            return survey_amqp(broker, queues, connections)
        case "redis":
            from fleet.broker.survey.redis import survey_redis

            return survey_redis(broker, queues, connections)
        case "sqlite":
            from fleet.broker.survey.sqlite import survey_sqlite

            return survey_sqlite(broker)
    from fleet.broker.stock import StockConnection

    StockConnection(broker).close()
    return Survey(scheme(broker.url))
