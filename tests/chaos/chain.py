"""One message on RabbitMQ's wire: given to a worker, handed on by it as another copy, given to the next."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.names import DEAD
from tests.chaos.wire import Delivery, Publication, Wire


class Chain:
    """All deliveries and publications of one number, as far as the run has come.

    A worker may publish by another connection than the one that brings deliveries.
    """

    def __init__(self, wire: Wire, number: int) -> None:
        self.number = number
        self.deliveries: list[Delivery] = list(wire.deliveries.get(number, ()))
        self.publications: list[Publication] = list(wire.publications.get(number, ()))

    @property
    def brought(self) -> list[Publication]:
        """Those that RabbitMQ has not refused."""
        return [each for each in self.publications if each.answer not in ("nack", "returned")]

    @property
    def sendings(self) -> int:
        """How often its publisher has brought it."""
        return sum(not each.connection.is_worker for each in self.brought)

    def handed_on(self) -> list[tuple[Publication, Delivery | None]]:
        """Each time that a worker has published it, and the delivery that this replaces; None: there was none."""
        free = list(self.deliveries)
        found: list[tuple[Publication, Delivery | None]] = []
        for publication in self.brought:
            if not publication.connection.is_worker:
                continue
            replaced = [
                each
                for each in free
                if each.connection.pid == publication.connection.pid
                and each.at <= publication.at
                and (each.settled is None or publication.at <= each.settled)
            ]
            # Acked ones first: of two that the worker has at a time nothing says which it published.
            replaced.sort(key=lambda each: each.how != "ack")
            found.append((publication, replaced[0] if replaced else None))
            if replaced:
                free.remove(replaced[0])
        return found

    def came_anew(self, since: float) -> int:
        """Deliveries since then for which the wire shows no other reason than what had happened before."""
        deliveries = sum(each.at >= since for each in self.deliveries)
        handed_on = sum(
            each.connection.is_worker and each.at >= since and each.into != DEAD for each in self.brought
        )
        returned = sum(_returned_at(each) >= since for each in self.deliveries)
        return deliveries - handed_on - returned

    def was_acked(self, moment: float) -> bool:
        """Whether a delivery that a worker had at that moment ended by an ack."""
        return any(
            each.how == "ack" and each.settled is not None and each.at <= moment <= each.settled
            for each in self.deliveries
        )

    def told(self, origin: float) -> list[str]:
        """For people: what happened when, in seconds since `origin`."""

        def at(moment: float | None) -> str:
            return "…" if moment is None else f"{moment - origin:.3f}"

        lines = [(each.at, _delivery(each, at)) for each in self.deliveries]
        for each in self.publications:
            answer = each.answer or "no answer"
            lines.append(
                (each.at, f"brought by {each.connection.name} at {at(each.at)} into {each.into}: {answer}")
            )
        return [f"{self.number}: {text}" for _, text in sorted(lines)]


def _delivery(delivery: Delivery, at: Callable[[float | None], str]) -> str:
    connection = delivery.connection
    settled = f"{delivery.how or 'open'} {at(delivery.settled)}"
    ended = f"connection ended {at(connection.ended)} by {connection.by or 'nobody'}"
    return f"given to {connection.name} at {at(delivery.at)}, {settled}, {ended}"


def _returned_at(delivery: Delivery) -> float:
    """When RabbitMQ had it back for certain; never: -1."""
    if delivery.how in ("requeue", "closed") and delivery.settled is not None:
        return delivery.settled
    if delivery.settled is None and delivery.connection.ended is not None:
        return delivery.connection.ended
    return -1.0
