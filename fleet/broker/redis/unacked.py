"""Messages that Celery workers have left on Redis: what they held when they were killed is in a hash of kombu's.

A `celery worker` moves them from its queue into `unacked` until they are acknowledged; only another one gives them
back, after its visibility timeout. The hash does not tell whether their worker lives: whoever adopts them has to know.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from fleet.broker.delivery import Posting
from fleet.broker.redis.connect import ANSWER_SECONDS
from fleet.broker.redis.queues import RedisQueues
from fleet.broker.topology import resolve_exchange
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec

_AT_ONCE = 500

# hash, index, tag, queue, step, envelope → 1 if it was still there
_ADOPT = r"""
if redis.call('HDEL', ARGV[1], ARGV[3]) == 0 then return 0 end
redis.call('ZREM', ARGV[2], ARGV[3])
redis.call('SADD', QUEUES, ARGV[4])
if ARGV[5] ~= '0' then redis.call('SADD', PRIORITISED, ARGV[4]) end
redis.call('RPUSH', ready(ARGV[4], ARGV[5]), ARGV[6])
return 1
"""


class Adopted(NamedTuple):
    """`staying` counts by queue what belongs to queues that were not asked for; "" what can't be read."""

    adopted: int
    staying: dict[str, int]


class Unacked(RedisQueues):
    """Connected. Raises BrokerUnavailable from every method."""

    def __init__(self, broker: BrokerSpec) -> None:
        options = broker.transport_options
        super().__init__(broker.url, options, ANSWER_SECONDS)
        prefix = str(options.get("global_keyprefix", ""))
        self._hash = prefix + str(options.get("unacked_key", "unacked"))
        self._index = prefix + str(options.get("unacked_index_key", "unacked_index"))

    def count(self) -> int:
        return int(self._wire.call("HLEN", self._hash))

    def adopt(self, queues: Collection[str]) -> Adopted:
        """Put back those of `queues`, each in one step, as messages that were handed out before; they go first."""
        count, staying = 0, Counter[str]()
        for tag, value in self._all():
            found = _Left.read(value)
            targets = found.targets(self) if found else [""]
            target = targets[0]
            if found is None or target not in queues:
                staying[target] += 1
                continue
            step = self._keys.step(found.urgency)
            count += int(
                self._run(_ADOPT, *(self._hash, self._index, tag), *(target, step, found.redelivered()))
            )
        return Adopted(count, dict(staying))

    def _all(self) -> Iterator[tuple[bytes, bytes]]:
        """What is taken out meanwhile is no matter; HSCAN may show one twice, and the second time it is gone."""
        cursor = b"0"
        while True:
            cursor, fields = self._wire.call("HSCAN", self._hash, cursor, "COUNT", _AT_ONCE)
            pairs = list(fields.items()) if isinstance(fields, dict) else list(_pairs(fields))
            yield from pairs
            if int(cursor) == 0:
                return

    def close(self) -> None:
        self._wire.close()


class _Left(NamedTuple):
    """One message, with where it was sent to."""

    envelope: dict[str, Any]
    exchange: str
    routing_key: str

    @classmethod
    def read(cls, value: bytes) -> _Left | None:
        try:
            envelope, exchange, routing_key = json.loads(value)
        except (ValueError, TypeError):
            return None
        if not isinstance(envelope, dict) or not isinstance(envelope.get("properties"), dict):
            return None
        return cls(envelope, str(exchange or ""), str(routing_key or ""))

    @property
    def urgency(self) -> int:
        """As kombu numbers it on Redis."""
        try:
            return min(9, max(0, int(self.envelope["properties"].get("priority") or 0)))
        except (TypeError, ValueError):
            return 0

    def targets(self, store: RedisQueues) -> list[str]:
        posting = Posting(
            self.routing_key,
            Encoded(b"", {}, {}),
            exchange=self.exchange,
            routing_key=self.routing_key,
        )
        return resolve_exchange(posting, store.bindings)

    def redelivered(self) -> bytes:
        """As kombu marks what it gives back, and counted as handed out once."""
        headers = self.envelope.get("headers")
        properties = self.envelope["properties"]
        where = properties.get("delivery_info")
        marked = {
            **self.envelope,
            "headers": {**(headers if isinstance(headers, dict) else {}), "redelivered": True},
            "properties": {
                **properties,
                "delivery_info": {**(where if isinstance(where, dict) else {}), "redelivered": True},
            },
        }
        return b'{"fleet":[1,0],' + json.dumps(marked).encode()[1:]


def _pairs(fields: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(fields[::2], fields[1::2], strict=True)
