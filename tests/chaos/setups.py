"""Ways in which a broker is set up: the queue's type, TLS, users, replicas. `plain` is none of these."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field

from tests.chaos.schedule import EDITS, PREFORK, PROCESSES, kinds_for
from tests.chaos.undone import Habits


@dataclass(frozen=True, slots=True)
class Setup:
    """`queue` and `broker` are lines for these tables of fleet.toml.

    `adds` and `only` say which faults apply: more than with a plain broker, or no others.
    """

    name: str
    brokers: tuple[str, ...]
    queue: str = ""
    broker: str = ""
    adds: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    habits: Habits = field(default_factory=Habits)
    program: str = ""
    """Without which it can't be had."""

    def kinds(self, broker: str, pool: str) -> tuple[str, ...]:
        usual = kinds_for(broker, pool)
        return (*(kind for kind in usual if not self.only or kind in self.only), *self.adds)

    @property
    def is_here(self) -> bool:
        return not self.program or shutil.which(self.program) is not None


PLAIN = Setup("plain", ("sqlite", "redis", "amqp"))
CONSUMER_TIMEOUT_SECONDS = 5.0
MASTER = "chaos"  # as Sentinel calls it

SETUPS = {
    setup.name: setup
    for setup in (
        PLAIN,
        Setup("tls", ("redis", "amqp"), program="openssl"),
        Setup("acl", ("redis",)),
        Setup("replica", ("redis",), adds=("promote",)),
        # Sentinel names addresses past the proxy.
        Setup(
            "sentinel",
            ("redis",),
            broker=f'transport_options = {{ master_name = "{MASTER}" }}\n',
            adds=("sentinel",),
            only=(*PROCESSES, *PREFORK, *EDITS),
        ),
        Setup(
            "quorum",
            ("amqp",),
            # Above max_deliveries: below it RabbitMQ drops what fleet would have looked into.
            queue='arguments = { x-queue-type = "quorum", x-delivery-limit = 200 }\n',
            habits=Habits(forgets=False),
        ),
        Setup("single", ("amqp",), queue="arguments = { x-single-active-consumer = true }\n"),
        Setup("timeout", ("amqp",), habits=Habits(closes_after=CONSUMER_TIMEOUT_SECONDS)),
    )
}
