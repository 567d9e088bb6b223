"""kombu's payload ⇄ fleet's Encoded, for the kombu transports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kombu.transport import base

from fleet.broker.kombu_transport.qos import to_text
from fleet.broker.leased.lifetimes import milliseconds
from fleet.broker.leased.store import Claim
from fleet.protocol import Encoded

Numbering = Callable[[int | None], int | None]  # a priority from one way of counting to the other


def to_encoded(message: Mapping[str, Any], priority: Numbering) -> Encoded:
    body, properties = message["body"], message["properties"]
    return Encoded(
        body=body.encode() if isinstance(body, str) else bytes(body or b""),
        headers=message.get("headers") or {},
        properties={**properties, "priority": priority(properties.get("priority"))},
        content_type=message.get("content-type") or "",
        content_encoding=message.get("content-encoding") or "",
    )


def to_payload(claim: Claim, priority: Numbering) -> dict[str, Any]:
    """What kombu makes its Message of. Odd messages are no reason to fail here: the consumer decides."""
    message = claim.message
    properties = _table(message.properties)
    info = {"exchange": "", "routing_key": claim.queue, **_table(properties.get("delivery_info"))}
    again = claim.attempt > 1
    return {
        "body": message.body,
        # In both places, as kombu's Redis transport has it.
        "headers": {**_table(message.headers), **({"redelivered": True} if again else {})},
        "content-type": message.content_type,
        "content-encoding": message.content_encoding,
        "properties": {
            **properties,
            "priority": priority(properties.get("priority")),
            "delivery_tag": to_text(claim.tag),
            "delivery_info": {**info, "redelivered": again},
        },
    }


def expiration(message: Encoded) -> int | None:
    """After how many milliseconds its sender wants the message dropped."""
    return milliseconds(_table(message.properties).get("expiration"))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def queue_arguments(arguments: Any, **kwargs: Any) -> Any:
    """`Queue(expires=…, message_ttl=…)` as AMQP's arguments, so that they reach the declaration."""
    return base.to_rabbitmq_queue_arguments(arguments, **kwargs)
