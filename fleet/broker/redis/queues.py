"""The queues of Redis and what lies in them: the part of LeasedStore that claims nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import Any

from fleet.broker.leased.store import Claim, Found, QueueCounts
from fleet.broker.redis import scripts
from fleet.broker.redis.connect import Server
from fleet.broker.redis.envelope import unseal, unseal_with_time
from fleet.broker.redis.keys import Keys

_BROWSED_AT_ONCE = 500
_MOST_DELAYED = 100_000

Tag = tuple[str, str]  # queue, "<number>:<step>"


class RedisQueues:
    """See LeasedStore."""

    def __init__(self, url: str, options: Mapping[str, Any], answer_seconds: float) -> None:
        self._server = Server(url, options, answer_seconds=answer_seconds)
        self._keys = Keys.from_options(options)
        self._scripts: dict[str, tuple[str, str]] = {}
        self._wire = self._server.connect_anew()

    def declare(self, queue: str) -> None:
        self._wire.call("SADD", self._keys.queues, queue)

    def queues(self) -> list[str]:
        return sorted(name.decode() for name in self._wire.call("SMEMBERS", self._keys.queues))

    def bind(self, queue: str, exchange: str, routing_key: str, pattern: str = "") -> None:
        member = self._keys.separator.join((routing_key, pattern, queue))
        self._wire.calls(
            [
                ("SADD", self._keys.exchanges, exchange),
                ("SADD", self._keys.permanent_bindings(exchange), member),
                ("SADD", self._keys.bindings(exchange), member),
            ]
        )

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        self._unbind(exchange, lambda key, bound: key == routing_key and bound == queue)

    def _unbind(self, exchange: str, unwanted: Callable[[str, str], bool]) -> None:
        members = [
            self._keys.separator.join((key, pattern, bound))
            for key, pattern, bound in self.bindings(exchange)
            if unwanted(key, bound)
        ]
        if members:
            tables = (self._keys.bindings(exchange), self._keys.permanent_bindings(exchange))
            self._wire.calls([("SREM", table, *members) for table in tables])

    def bindings(self, exchange: str) -> list[tuple[str, str, str]]:
        members = self._wire.call("SMEMBERS", self._keys.bindings(exchange))
        rows = (member.decode().split(self._keys.separator) for member in members)
        return sorted((row[0], row[1], row[2]) for row in rows if len(row) == 3)

    def size(self, queue: str) -> int:
        return self.stats(queue).ready

    def stats(self, queue: str) -> QueueCounts:
        """`oldest_seconds` looks at what fleet sent or gave back: other producers write no time."""
        ready, delayed, claimed, oldest = self._run(scripts.STATS, queue)
        return QueueCounts(ready, delayed, claimed, None if oldest < 0 else oldest / 1000)

    def browse(self, queue: str, limit: int, offset: int = 0) -> list[Claim]:
        raws = self._run(scripts.BROWSE, queue, limit, offset)
        return [claim_of((queue, "0:0"), queue, raw, handouts=0) for raw in raws]

    def find(self, queues: Sequence[str], ident: str, window: int) -> tuple[Found | None, bool]:
        complete = True
        for queue in queues:
            for found in self.delayed(queue, window):
                if found.claim.message.headers.get("id") == ident:
                    return found, True
            for offset in range(0, window, _BROWSED_AT_ONCE):
                claims = self.browse(queue, _BROWSED_AT_ONCE, offset)
                for claim in claims:
                    if claim.message.headers.get("id") == ident:
                        return Found(claim, "waiting"), True
                if len(claims) < _BROWSED_AT_ONCE:
                    break
            else:
                complete = False
        return None, complete

    def delayed(self, queue: str, limit: int) -> list[Found]:
        flat = self._run(scripts.DELAYED, queue, limit)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [
            Found(
                claim_of((queue, "0:0"), queue, member.partition(b":")[2], handouts=0),
                "delayed",
                float(due) / 1000,
            )
            for member, due in pairs
        ]

    def cancel(self, queue: str, ident: str) -> bool:
        flat = self._run(scripts.DELAYED, queue, _MOST_DELAYED)
        for member in flat[::2]:
            message, _ = unseal(member.partition(b":")[2])
            if message.headers.get("id") == ident:
                return bool(self._run(scripts.CANCEL, queue, member))
        return False

    def purge(self, queue: str) -> int:
        return int(self._run(scripts.PURGE, queue))

    def delete(self, queue: str) -> None:
        for exchange in self._wire.call("SMEMBERS", self._keys.exchanges):
            self._unbind(exchange.decode(), lambda _, bound: bound == queue)
        self._run(scripts.DELETE, queue)

    def _run(self, body: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any:
        return self._wire.script(*self._source(body), arguments, meanwhile)

    def _source(self, body: str) -> tuple[str, str]:
        """(SHA-1, text) of a script with this store's names in it."""
        if body not in self._scripts:
            source = scripts.complete(self._keys.lua(), body)
            self._scripts[body] = (sha1(source.encode(), usedforsecurity=False).hexdigest(), source)
        return self._scripts[body]


def claim_of(tag: Tag, queue: str, raw: bytes, handouts: int = 1) -> Claim:
    """Of a message as it lies in Redis, handed out now so many times more."""
    message, before, since = unseal_with_time(raw)
    return Claim(tag, queue, message, before + handouts, since)
