"""Celery's own Request for a delivery: it decides, and records, what its worker would of a task that has not succeeded.

Settings, custom Request classes and whatever Celery changes there hold without a copy of it here. What the Request
would tell the broker is noted instead, for the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.utils.imports import symbol_by_name

from fleet.broker.delivery import Delivery
from fleet.celery.message import Called, delivery_info

if TYPE_CHECKING:
    from celery import Celery


class UnreadMessage:
    """What a handler of task_rejected reads of kombu's Message, of one that is no task."""

    payload: Any = None

    def __init__(self, delivery: Delivery) -> None:
        self.headers = delivery.headers
        self.properties = delivery.properties
        self.delivery_info = delivery_info(delivery)
        self.body: Any = delivery.body
        self.content_type = delivery.content_type
        self.content_encoding = delivery.content_encoding


class Message(UnreadMessage):
    """What a Request reads of kombu's Message."""

    def __init__(self, called: Called, delivery: Delivery) -> None:
        super().__init__(delivery)
        self.headers = called.headers
        # Of those kombu's number is read, which is not fleet's on Redis.
        self.properties = {**delivery.properties, "priority": self.delivery_info["priority"]}
        self.body = self.payload = (called.args, called.kwargs, called.embed)


class Answer:
    """What a Request has told the broker. `requeue` is None as long as it has not rejected its message."""

    def __init__(self) -> None:
        self.requeue: bool | None = None

    def ack(self, *_: Any) -> None:
        """Acknowledging is done anyway."""

    def reject(self, _logger: Any, _errors: Any, requeue: bool = False) -> None:
        self.requeue = requeue


def make_request(
    app: Celery, task: Any, called: Called, delivery: Delivery, node_name: str
) -> tuple[Any, Answer]:
    """A Request of the class that the task names."""
    answer = Answer()
    message = Message(called, delivery)
    request = symbol_by_name(task.Request)(
        message,
        on_ack=answer.ack,
        on_reject=answer.reject,
        hostname=node_name,
        app=app,
        task=task,
        body=message.body,
        headers=called.headers,
        decoded=True,
    )
    return request, answer
