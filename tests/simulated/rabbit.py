"""The simulated RabbitMQ as a backend of schedules: py-amqp, our frames, publisher and consumers run as they are."""

from __future__ import annotations

import amqp.transport
from amqp.serialization import decode_properties_basic

from fleet.broker import reposting
from fleet.broker.rabbitmq import connection, frames
from fleet.broker.rabbitmq import consumer as line
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from tests.simulated.amqp_consuming import CONSUMING
from tests.simulated.amqp_publishing import PUBLISHING
from tests.simulated.amqp_queues import Copy, Vhost
from tests.simulated.amqp_server import Rabbit
from tests.simulated.backend import DEAD, QUEUE, Backend, Patch
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.judge import Judge
from tests.simulated.network import SENDING, Network

_HEADER_AT = 12  # of the properties within the payload of a content header


class RabbitBackend(Backend):
    name = "rabbitmq"
    faults = (*PUBLISHING, *CONSUMING, *SENDING, "refused", "timed out")

    def __init__(self, clock: Clock, choices: Choices, judge: Judge) -> None:
        super().__init__(clock, choices, judge)
        self.network = Network(clock, choices)
        self.vhost = Vhost(clock, judge)
        self.rabbit = Rabbit(self.vhost, choices)
        self.network.accept = self.rabbit.connect
        kind = choices.pick("queue type", ("classic", "quorum"))
        arguments = {"x-queue-type": "quorum"} if kind else {}
        self.queues = (QueueSpec(QUEUE, dead_letter=DEAD, arguments=arguments),)
        self.broker = BrokerSpec("amqp://guest:guest@simulated:5672//")
        self.vhost.declare(QUEUE, dict(arguments))

    def patches(self) -> list[Patch]:
        network = self.network

        def connect(transport: amqp.transport.TCPTransport, *_: object) -> None:
            transport.sock = network.connect()

        return [
            (amqp.transport.TCPTransport, "_connect", connect),
            (connection, "wait_readable", network.wait_readable),
            (line, "wait_readable", network.wait_readable),
        ]

    def put(self, message: Encoded) -> None:
        written = frames.publish(message, 1, ("", QUEUE), 0)
        at = written.index(b"\xce\x02") + 1  # the content header's frame
        size = int.from_bytes(written[at + 3 : at + 7])
        properties = written[at + 7 + _HEADER_AT : at + 7 + size]
        self.vhost.put(self.vhost.queues[QUEUE], properties, message.body, QUEUE)

    def pending(self) -> int:
        held = sum(self.vhost.copies.values())
        return held - len(self._dead())

    def dead(self) -> dict[str, str]:
        found = {}
        for copy in self._dead():
            headers = decode_properties_basic(copy.properties, 0)[0]["application_headers"]
            found[copy.message] = str(headers[reposting.DEATH_HEADER]["reason"])
        return found

    def _dead(self) -> list[Copy]:
        queue = self.vhost.queues.get(DEAD)
        return queue.ready if queue is not None else []

    def crash(self) -> None:
        self.network.crash()

    def revive(self) -> None:
        self.network.is_down = False

    def last_close(self, is_so: bool) -> None:
        self.rabbit.is_last_close = is_so

    def rival(self) -> None:
        """Another worker takes the next message, and does it or dies of it."""
        queue = self.vhost.queues[QUEUE]
        if not queue.ready:
            return
        copy = self.vhost.take(queue)
        self.judge.started(copy.message)
        if self.choices.how_much(2):
            self.judge.ended(copy.message, "succeeded")
            self.vhost.delete(copy)
        else:
            self.judge.disasters += 1
            self.vhost.put_back(queue, copy)
