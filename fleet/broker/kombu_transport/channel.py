"""kombu's channel on a LeasedStore: what it declares, publishes, reserves and delivers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty
from typing import Any

from kombu.transport import virtual

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.kombu_transport import messages
from fleet.broker.kombu_transport.publish_batch import PublishBatch
from fleet.broker.kombu_transport.qos import QoS, to_tags
from fleet.broker.kombu_transport.queue_cycle import QueueCycle
from fleet.broker.leased.lifetimes import Lifetime
from fleet.broker.leased.store import Claim, LeasedStore
from fleet.broker.topology import binding_pattern


class Channel(virtual.Channel):  # type: ignore[misc]
    QoS = QoS
    body_encoding = None  # the store takes bytes
    supports_fanout = True
    queue_order_strategy = "round_robin"
    from_transport_options = ("deadletter_queue", "queue_order_strategy")

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.store: LeasedStore = connection.store
        self._order = QueueCycle(self.queue_order_strategy)
        self._callbacks: dict[str, Callable[[Any], Any]] = {}  # of this channel alone
        self._reserved: deque[Claim] = deque()  # claimed, and not yet delivered
        self._is_full = False
        self._bindings_of_batch: dict[str, list[tuple[str, str, str]]] | None = None

    # --- publishing ------------------------------------------------------------------------------------

    def basic_publish(self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any) -> None:
        """To all queues that it reaches, or to none."""
        if exchange:
            self.connection.lifetimes.publish(self.postings(message, exchange, routing_key, **kwargs))
        else:
            super().basic_publish(message, exchange, routing_key, **kwargs)

    def postings(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> list[Posting]:
        reached: list[Posting] = []
        super().basic_publish(message, exchange, routing_key, reached=reached, **kwargs)
        return reached

    def _put(
        self, queue: str, message: dict[str, Any], reached: list[Posting] | None = None, **_: Any
    ) -> None:
        posting = Posting(queue, messages.to_encoded(message, self.fleets_priority))
        if reached is None:
            self.connection.lifetimes.publish([posting])
        else:
            reached.append(posting)

    def _put_fanout(
        self,
        exchange: str,
        message: dict[str, Any],
        routing_key: str,
        reached: list[Posting] | None = None,
        **_: Any,
    ) -> None:
        for queue in {queue: None for _, _, queue in self.get_table(exchange)}:
            self._put(queue, message, reached)

    @property
    def supports_batch_publish(self) -> bool:
        """Who wants each publication repeated on a timeout gets them one by one, as on kombu's Redis."""
        return not self.connection.client.transport_options.get("retry_on_timeout")

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        return PublishBatch(self, max_size)

    # --- consuming -------------------------------------------------------------------------------------

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        while True:
            self.connection.keep_leases()
            claims = self.store.reserve([queue], 1)
            if not claims:
                raise Empty
            if not self._drop_if_expired(claims[0]):
                return messages.to_payload(claims[0], self.kombus_priority)

    def deliver_ready(self) -> int:
        """Hand what is ready to the consumers; how many there were.

        A callback that raises leaves the rest reserved: they are delivered by the next call.
        """
        while True:
            if not self._reserved:
                self._reserve()
            if not self._reserved:
                return 0
            if delivered := self._deliver_reserved():
                return delivered

    def _reserve(self) -> None:
        if self._active_queues and self.has_room():
            self.connection.keep_leases()  # before: what is reserved must not wait for its first renewal
            queues = self._order.of(self._active_queues)
            self._reserved.extend(self.store.reserve(queues, self.room()))

    def _deliver_reserved(self) -> int:
        delivered = 0
        while self._reserved:
            claim = self._reserved.popleft()
            callback = self._callbacks.get(claim.queue)
            if callback is None:
                self._give_back([claim])
            elif not self._drop_if_expired(claim):
                delivered += 1
                callback(messages.to_payload(claim, self.kombus_priority))
        return delivered

    def room(self) -> int:
        free: int = self.qos.room() - len(self._reserved)
        return max(0, free)

    def has_room(self) -> bool:
        """If not, the first settlement from now on wakes the connection."""
        self._is_full = True  # before the look: another thread may settle in between
        self._is_full = self.room() < 1
        return not self._is_full

    @property
    def gets_room_unseen(self) -> bool:
        """Whether Celery counts by itself what it can take (worker_disable_prefetch), and tells nobody."""
        return "can_consume" in vars(self.qos)

    def basic_qos(self, *args: Any, **kwargs: Any) -> None:
        super().basic_qos(*args, **kwargs)
        self.room_again()

    def room_again(self) -> None:
        """Something was settled, perhaps by another thread than the one that waits for room."""
        if self._is_full and self.connection is not None:
            self._is_full = False
            self.connection.wakeup.set()

    def _drop_if_expired(self, claim: Claim) -> bool:
        limit = self.connection.time_to_live(claim)
        if limit is None or claim.ready_since is None:
            return False
        if self.connection.lifetimes.now() - claim.ready_since <= limit / 1000:
            return False
        self.store.ack([claim.tag])
        return True

    def _give_back(self, claims: list[Claim]) -> None:
        if claims:
            self.store.release([claim.tag for claim in claims], counted=False)

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, *args: Any, **kwargs: Any) -> Any:
        def take(message: Any) -> Any:
            self.store.ack(to_tags([message.delivery_tag]))  # kombu keeps no record of it: nobody would
            return callback(message)

        self.connection.use(queue)
        consumed = super().basic_consume(queue, no_ack, take if no_ack else callback, *args, **kwargs)
        self._callbacks[queue] = self.connection._callbacks[queue]
        self.connection.wakeup.set()
        return consumed

    def basic_cancel(self, consumer_tag: str) -> Any:
        queue = self._tag_to_queue.get(consumer_tag)
        cancelled = super().basic_cancel(consumer_tag)
        if queue is not None and queue not in self._active_queues:
            self._callbacks.pop(queue, None)
            unwanted = [claim for claim in self._reserved if claim.queue == queue]
            self._reserved = deque(claim for claim in self._reserved if claim.queue != queue)
            self._give_back(unwanted)
        if queue is not None:
            self.connection.cancelled(queue)
        return cancelled

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.store.ack(to_tags([message.delivery_tag]))
        return message

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        if not multiple:
            self.qos.ack(delivery_tag)
            return
        delivered = list(self.qos._delivered)
        self.qos.ack_all(delivered[: delivered.index(delivery_tag) + 1])

    # --- queues ----------------------------------------------------------------------------------------

    def _new_queue(
        self,
        queue: str,
        auto_delete: bool = False,
        exclusive: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        lifetime = Lifetime.declared(auto_delete=auto_delete, exclusive=exclusive, arguments=arguments)
        self.connection.declare(queue, lifetime, exclusive=exclusive)

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        return messages.queue_arguments(arguments, **kwargs)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return queue in self.store.queues()

    def _size(self, queue: str) -> int:
        return self.store.size(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any) -> None:
        is_used = any(queue in channel._active_queues for channel in self.connection.channels)
        if not (if_empty and self._size(queue)) and not (if_unused and is_used):
            self.connection.delete(queue)
            self.state.queue_bindings_delete(queue)

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """With its bindings. The queues stay, as on AMQP: kombu's own would delete them, too."""
        for routing_key, _, queue in self.get_table(exchange):
            self.store.unbind(queue, exchange, routing_key)
        self.state.exchanges.pop(exchange, None)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        # Not kombu's own pattern: in that, `lazy.#` does not match `lazy`, which in AMQP it does.
        ours = binding_pattern(self.typeof(exchange).type, routing_key)
        self.store.bind(queue, exchange, routing_key, ours)

    def queue_unbind(self, queue: str, exchange: str = "", routing_key: str = "", **kwargs: Any) -> None:
        super().queue_unbind(queue, exchange, routing_key, **kwargs)
        self.store.unbind(queue, exchange, routing_key)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        if self._bindings_of_batch is None:
            return self.store.bindings(exchange)
        if exchange not in self._bindings_of_batch:
            self._bindings_of_batch[exchange] = self.store.bindings(exchange)
        return self._bindings_of_batch[exchange]

    def fleets_priority(self, priority: int | None) -> int | None:
        """A client's number as fleet counts: higher goes first."""
        return priority

    def kombus_priority(self, priority: int | None) -> int | None:
        return priority

    def close(self) -> None:
        if not self.closed:
            with suppress(BrokerUnavailable):
                self._give_back(list(self._reserved))
                self._reserved.clear()
                self.qos.restore_unacked()
        super().close()
