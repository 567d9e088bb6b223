"""Celery's native delayed delivery: the exchanges that clients send tasks for later to, where an app has quorum queues.

Clients only send there; Celery's worker declares the exchanges and binds the app's queues to them. Only on RabbitMQ.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from celery.utils.log import get_logger
from celery.utils.quorum_queues import detect_quorum_queues
from kombu.common import Broadcast
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

if TYPE_CHECKING:
    from celery import Celery

_logger = get_logger(__name__)
_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 1.0, 30.0


def are_used(app: Celery) -> bool:
    """By clients of this app."""
    return bool(detect_quorum_queues(app, app.connection_for_write().transport.driver_type)[0])


def declare(app: Celery, over: threading.Event) -> None:
    """Returns when it is done, or `over`: a broker that is away is asked again."""
    pause = _AGAIN_SECONDS
    while not over.is_set():
        try:
            _declare(app)
        except Exception as error:  # whatever a transport raises
            _logger.warning("native delayed delivery is not there yet: %r; trying again in %gs", error, pause)
            over.wait(pause)
            pause = min(pause * 2, _AGAIN_MOST_SECONDS)
        else:
            _logger.info("native delayed delivery is there")
            return


def _declare(app: Celery) -> None:
    with app.connection_for_write() as connection:
        declare_native_delayed_delivery_exchanges_and_queues(
            connection, app.conf.broker_native_delayed_delivery_queue_type
        )
        for queue in app.amqp.queues.values():
            if not isinstance(queue, Broadcast):
                bind_queue_to_native_delayed_delivery_exchange(connection, queue)
