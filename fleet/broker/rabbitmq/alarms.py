"""Memory and disk alarms of RabbitMQ, as far as a client can see them.

While there is one, RabbitMQ reads nothing from connections that publish, and tells them so when they do. Who only
consumes hears nothing of it. So this publishes a message that no queue takes.
"""

from __future__ import annotations

from fleet.broker.delivery import Refused
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.spec import BrokerSpec


def alarm(broker: BrokerSpec, *, name: str = "fleet status") -> str | None:
    """In words, or None. Raises BrokerUnavailable."""
    connection = AmqpConnection(broker, name=name, beats=False)
    try:
        ConfirmedPublisher(connection).probe()
    except Refused as error:
        return str(error)
    finally:
        connection.close()
    return None
