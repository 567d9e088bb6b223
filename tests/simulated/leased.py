"""What Redis and SQLite have in common as backends of schedules: watched claims, and a rival worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from tests.simulated.backend import QUEUE, Backend, Patch

Held = tuple[str, str]  # where a copy lies ("ready", "claimed", "dead" …), and which message


class LeasedBackend(Backend):
    """`store` is the class of the store under test; its claims and settlements are told to the judge."""

    store: Any

    def copies(self) -> list[Held]:
        """All copies of all messages."""
        raise NotImplementedError

    def claimed_by(self, owner: str) -> list[str]:
        """The messages that it holds."""
        raise NotImplementedError

    def open_store(self, owner: str) -> Any:
        raise NotImplementedError

    def watched(self) -> list[Patch]:
        """The store's own methods, each followed by a look at what there is."""

        def watch(name: str) -> Any:
            real = getattr(self.store, name)

            def call(store: Any, *rest: Any, **named: Any) -> Any:
                try:
                    return real(store, *rest, **named)
                finally:
                    self.check()

            return call

        reserve = self.store.reserve

        def watch_reserve(store: Any, queues: Sequence[str], limit: int) -> Any:
            claims = reserve(store, queues, limit)
            for claim in claims:
                self.judge.handed_out(str(claim.message.headers.get("id")))
            return claims

        names = ("ack", "release", "replace", "reconnect")
        return [(self.store, "reserve", watch_reserve), *((self.store, name, watch(name)) for name in names)]

    def check(self) -> None:
        counts = Counter(message for _, message in self.copies())
        for message, number in counts.items():
            self.judge.copies(message, number)
        for message in self.published:
            if message not in counts:
                self.judge.gone(message)

    def pending(self) -> int:
        return sum(place != "dead" for place, _ in self.copies())

    def last_close(self, is_so: bool) -> None:
        if is_so:
            self.judge.closed(self.claimed_by(self.identity))

    def rival(self) -> None:
        """Another worker takes what it finds, and does it or dies of it."""
        was_calm, self.choices.calm = self.choices.calm, True
        try:
            store = self.open_store("rival@host:1/other")
            claims = store.reserve([QUEUE], 2)
            for claim in claims:
                self.judge.started(str(claim.message.headers.get("id")))
        except BrokerUnavailable:
            self.choices.calm = was_calm
            return
        self.choices.calm = was_calm
        self.clock.after(0.5, lambda: self._end_rival(store, claims))

    def _end_rival(self, store: Any, claims: list[Any]) -> None:
        try:
            for claim in claims:
                self.judge.ended(str(claim.message.headers.get("id")), "succeeded")
                store.ack([claim.tag])
        except BrokerUnavailable:
            self.judge.disasters += 1
        store.close()
