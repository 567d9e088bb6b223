"""What a judge accepts as the reason for a repetition where RabbitMQ's wire was watched.

A delivery comes undone when its connection breaks, or RabbitMQ is killed, before its ack has taken hold. That
explains one repetition, if a fault broke that connection, and if that worker had begun it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.chaos.chain import Chain
from tests.chaos.excuses import Excuse, Story, in_flight
from tests.chaos.journal import Execution, Reading
from tests.chaos.names import DEAD
from tests.chaos.schedule import REFUSES_BY_NACK, REFUSES_HANDING_ON
from tests.chaos.strikes import RECONNECTED_SECONDS, SETTLING_SECONDS, Strike
from tests.chaos.undone import Breakage, Habits, Undone
from tests.chaos.wire import Delivery, Wire


class ByWire:
    """The Excuses of a run on RabbitMQ. `dying`: messages that are to become dead letters."""

    def __init__(
        self,
        reading: Reading,
        strikes: list[Strike],
        wire: Wire,
        habits: Habits,
        dying: Iterable[int] = (),
    ) -> None:
        self._reading, self._strikes, self._wire = reading, strikes, wire
        self._breakage = Breakage(strikes, habits)
        self._dying = frozenset(dying)

    def of(self, number: int, executions: list[Execution]) -> Excuse:
        story = Story(executions)
        chain = Chain(self._wire, number)
        undone = self._breakage.undone(chain)
        self._by_killed_processes(chain, story)
        unstarted = [each for each in undone if not self._by_own_delivery(each, chain, story)]
        self._by_giving_back(unstarted, chain, story)
        self._by_refusal(chain, story)
        return Excuse(story.causes, max(0, chain.sendings - 1), story.at_risk)

    def _by_killed_processes(self, chain: Chain, story: Story) -> None:
        """A pool process died under it: its worker, which lives on, gave it back."""
        workers = {each.connection.pid for each in chain.deliveries}
        for strike in self._strikes:
            for each in list(story.begun):
                is_hit = each.pid in strike.killed and in_flight(strike, each, SETTLING_SECONDS)
                if is_hit and not self._reading.family(each.pid) & strike.killed & workers:
                    story.explain(strike.kind, each, strike.began)

    def _by_own_delivery(self, undone: Undone, chain: Chain, story: Story) -> bool:
        """It had begun. Whether it had, explained or not."""
        delivery, at, noticed, _ = undone
        until = at + noticed if delivery.settled is None else delivery.settled
        for each in story.begun:
            is_its_own = delivery.connection.pid in self._reading.family(each.pid)
            if is_its_own and delivery.at <= each.started <= until:
                self._explain_begun(undone, each, chain, story)
                return True
        return False

    def _explain_begun(self, undone: Undone, execution: Execution, chain: Chain, story: Story) -> None:
        """If its ack did not take hold: then more has come anew than what it was handed on as.

        A dead letter does not come, and a retry does not ask for one again.
        """
        handed_on = any(
            each is undone.delivery and publication.into != DEAD for publication, each in chain.handed_on()
        )
        asks_again = execution.asked and any(
            each.asked and each.started >= undone.at for each in story.repetitions
        )
        least = 2 if handed_on and not asks_again else 1
        if undone.delivery.how == "ack" and chain.came_anew(undone.at) < least:
            return
        story.explain(undone.kind, execution, undone.at)
        if handed_on and asks_again:  # beside the retry that is on its way the whole of it is done again
            story.explain(undone.kind, None, undone.at)

    def _by_giving_back(self, undone: list[Undone], chain: Chain, story: Story) -> None:
        """What goes back is published again, then acked. Undone in between both are there, and both run.

        Each of them as often as its task asks for.
        """
        published = {id(delivery): publication.at for publication, delivery in chain.handed_on()}
        times = 2 if any(each.asked for each in story.executions) else 1
        for delivery, at, _, kind in undone:
            moment = published.get(id(delivery))
            if moment is None or (delivery.how == "ack" and chain.came_anew(at) < 2):
                continue
            for _ in range(times):
                if story.unexplained_since(moment) > times:
                    story.explain(kind, None, moment)

    def _by_refusal(self, chain: Chain, story: Story) -> None:
        """What can't be handed on, as a retry or a dead letter, stays: its task may run again for that."""
        for strike in self._strikes:
            if strike.kind in REFUSES_HANDING_ON:
                for each in [each for each in story.begun if each.asked or chain.number in self._dying]:
                    if (at := _refused(chain, strike, each)) is not None:
                        story.explain(strike.kind, each, at)

    def multiplied(self) -> list[int]:
        """Messages that a worker has published again, and kept, though no fault came in between."""
        return sorted(
            number
            for number in list(self._wire.publications)
            if any(self._is_kept(delivery) for _, delivery in Chain(self._wire, number).handed_on())
        )

    def _is_kept(self, delivery: Delivery | None) -> bool:
        if delivery is None:
            return True
        if delivery.settled is None:
            connection = delivery.connection
            return connection.ended is not None and self._breakage.broken_by(connection) is None
        return delivery.how != "ack"

    def most_held(self) -> int:
        """How many messages RabbitMQ may hold: what was brought, and twice what is just being handed on."""
        most = 1  # on its way
        for number in list(self._wire.publications):
            chain = Chain(self._wire, number)
            undone = {id(each.delivery) for each in self._breakage.undone(chain)}
            most += chain.sendings
            most += sum(
                each is not None
                and (id(each) in undone or (each.settled is None and each.connection.ended is None))
                for _, each in chain.handed_on()
            )
        return most

    def evidence(self, numbers: Iterable[int]) -> list[str]:
        """What the wire has seen of these, in seconds since the first message was sent."""
        return [line for number in numbers for line in Chain(self._wire, number).told(self._reading.origin)]


def _refused(chain: Chain, strike: Strike, execution: Execution) -> float | None:
    """When RabbitMQ said no to what this execution asked for; None: it did not."""
    ended = execution.ended
    if ended is None or not in_flight(strike, execution, 0.1, RECONNECTED_SECONDS):
        return None
    if strike.kind not in REFUSES_BY_NACK:
        return None if chain.was_acked(execution.started) else ended
    for each in chain.publications:
        if each.answer == "nack" and ended - 0.1 <= each.at <= strike.ended + 1.0:
            return each.at
    return None
