"""The bare client's side of publishing, one message at a time, each on the broker when `send` returns: the limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from fleet.protocol import Call, encode

URL, QUEUE = os.environ["BENCH_BROKER"], os.environ["BENCH_QUEUE"]
_message = encode(Call("00000000-0000-0000-0000-000000000000", "noop"), origin="bench")


def _over_redis() -> Callable[[], Any]:
    import redis

    from fleet.broker.redis.envelope import seal

    client = redis.Redis.from_url(URL)
    raw = seal(_message, "bench.0", "", QUEUE)
    return lambda: client.lpush(QUEUE, raw)


def _over_amqp() -> Callable[[], Any]:
    import amqp
    import kombu

    connection = kombu.Connection(URL)
    connection.connect()
    channel: Any = connection.connection.channel()
    channel.confirm_select()
    message = amqp.Message(
        _message.body,
        application_headers=_message.headers,
        content_type=_message.content_type,
        content_encoding=_message.content_encoding,
        **_message.properties,
    )
    return lambda: channel.basic_publish_confirm(message, routing_key=QUEUE, mandatory=True, timeout=30)


_publish = _over_redis() if URL.startswith("redis") else _over_amqp()


def send(name: str, *args: Any) -> None:
    assert (name, args) == ("noop", ()), "the limit is measured with one message"
    _publish()


def close() -> None: ...
