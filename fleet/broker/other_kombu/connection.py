"""One kombu connection to a broker that fleet knows nothing special about.

Declares, publishes, errors as ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import kombu
from kombu.exceptions import KombuError

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.urls import mask_url, opening, refuse_bad_url, scheme, unavailable
from fleet.spec import BrokerSpec, QueueSpec


class KombuConnection:
    """kombu's connection with errors as BrokerUnavailable; publishes and declares."""

    def __init__(self, broker: BrokerSpec) -> None:
        refuse_bad_url(broker.url, broker.transport_options)
        self._url = broker.url
        with opening(broker.url):
            self.kombu = kombu.Connection(
                broker.url, connect_timeout=5, transport_options=dict(broker.transport_options)
            )
            with self.guard():
                self.kombu.connect()
                self.channel: Any = self.kombu.channel()

    @contextmanager
    def guard(self) -> Iterator[None]:
        named = (*self.kombu.connection_errors, *self.kombu.channel_errors, KombuError, OSError)
        # Where its library is missing a transport of kombu's names None among them.
        errors = tuple(error for error in named if isinstance(error, type) and issubclass(error, Exception))
        try:
            yield
        except BrokerUnavailable:
            raise
        except errors as error:
            raise unavailable(self._url, error) from error
        except ImportError as error:
            raise BrokerUnavailable(_missing(mask_url(self._url), error)) from error

    def declare(self, queue: QueueSpec) -> None:
        exchange = kombu.Exchange(queue.exchange, queue.exchange_type) if queue.exchange else None
        with self.guard():
            kombu.Queue(queue.name, exchange, queue.routing_key or queue.name).declare(channel=self.channel)

    def publish(self, postings: Sequence[Posting]) -> None:
        with self.guard():
            for posting in postings:
                message = posting.message
                prepared = self.channel.prepare_message(
                    message.body,
                    message.properties.get("priority"),
                    message.content_type,
                    message.content_encoding,
                    dict(message.headers),
                    dict(message.properties),
                )
                key = posting.routing_key if posting.exchange else posting.queue
                self.channel.basic_publish(prepared, exchange=posting.exchange, routing_key=key)

    def close(self) -> None:
        with suppress(Exception):
            self.kombu.close()


def _missing(url: str, error: ImportError) -> str:
    return f"{url}: kombu's transport for {scheme(url)}:// can't be loaded: {error}"
