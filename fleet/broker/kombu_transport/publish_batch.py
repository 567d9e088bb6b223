"""kombu's `Producer.batch()`: messages are collected, and published all or none."""

from __future__ import annotations

from typing import Any

from kombu import exceptions

from fleet.broker.delivery import BrokerUnavailable, Posting

# kombu before 5.7 has no batches, and never asks for one.
_BatchError: type[Exception] = getattr(exceptions, "BatchPublishError", BrokerUnavailable)


class PublishBatch:
    """What kombu calls a session. What went wrong once is not tried again: its outcome is not known."""

    def __init__(self, channel: Any, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._postings: list[Posting] = []
        self._bindings: dict[str, list[tuple[str, str, str]]] = {}
        self._refusal: str | None = None

    def publish(self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any) -> None:
        self._check_usable()
        self.channel._bindings_of_batch = self._bindings  # looked up once a flush, not once a message
        try:
            reached = self.channel.postings(message, exchange, routing_key, **kwargs)
        finally:
            self.channel._bindings_of_batch = None
        if self._postings and len(self._postings) + len(reached) > self._max_size:
            self.flush()
        self._postings += reached
        if len(self._postings) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        self._check_usable()
        postings, self._postings = self._postings, []
        self._bindings.clear()
        if not postings:
            return
        try:
            self.channel.connection.lifetimes.publish(postings)
        except BrokerUnavailable as error:
            self._refusal = "failed"
            raise _BatchError(
                f"the batch of {len(postings)} was published as a whole or not at all, which is not known: {error}"
            ) from error

    def discard(self) -> None:
        """Forget what has not been published."""
        self._postings.clear()
        self._refusal = "was aborted"

    def close(self) -> None:
        self._postings.clear()
        self._refusal = "is closed"

    def _check_usable(self) -> None:
        if self._refusal is not None:
            raise RuntimeError(f"this publish batch {self._refusal}")
