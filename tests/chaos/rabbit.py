"""A RabbitMQ under fire: what it refuses, and what its wire tells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import OwnRabbit
from tests.chaos.brokers import ServerUnderFire, certificate, destroy
from tests.chaos.names import DEAD, QUEUE
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault
from tests.chaos.setups import CONSUMER_TIMEOUT_SECONDS, Setup
from tests.chaos.wire import Wire

_ALL = (".*", ".*", ".*")
_FULL = '{{"max-length": {}, "overflow": "reject-publish"}}'


class RabbitUnderFire(ServerUnderFire):
    """`wire` is all that has passed through the proxy."""

    name = "amqp"

    def __init__(self, server: OwnRabbit, proxy: Proxy, wire: Wire, trusted: Path | None) -> None:
        super().__init__(server, proxy)
        self.wire = wire
        self._rabbit = server
        self._trusted = trusted
        self._alarms = 0
        if trusted is not None:
            self.url = self.url.replace("amqp://", "amqps://")

    def environment(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self._trusted)} if self._trusted else {}

    def settle(self) -> None:
        # Killed within two seconds it may forget a new queue, and all confirmed messages in it.
        self._rabbit.ctl("eval", "mnesia:dump_log().")

    def refuse(self, fault: Fault) -> None:
        match fault.kind:
            case "full":
                self._full(QUEUE, fault.seconds)
            case "full_dead":
                self._full(DEAD, fault.seconds)
            case "alarm":
                self._alarm(fault.seconds)
            case "forbid":
                self._permit(("", "", ""), fault.seconds)
            case "forbid_delays":
                self._permit((f"^{QUEUE}", ".*", ".*"), fault.seconds)
            case _:
                raise ValueError(fault.kind)

    def _full(self, queue: str, seconds: float) -> None:
        pattern = f"^{queue.replace('.', '[.]')}$"
        try:
            # RabbitMQ applies the length before the overflow, whose default drops what is too much already.
            for most in (1_000_000, 1):
                self._rabbit.ctl("set_policy", "full", pattern, _FULL.format(most), "--apply-to", "queues")
            time.sleep(seconds)
        finally:
            self._rabbit.ctl("clear_policy", "full")

    def _alarm(self, seconds: float) -> None:
        """Of memory and of the disk in turn."""
        self._alarms += 1
        memory = self._alarms % 2 == 1
        command = "set_vm_memory_high_watermark" if memory else "set_disk_free_limit"
        self._rabbit.ctl(command, "0.00001" if memory else "100000GB")
        try:
            time.sleep(seconds)
        finally:
            self._rabbit.ctl(command, "0.8" if memory else "1MB")

    def _permit(self, rights: tuple[str, str, str], seconds: float) -> None:
        """Configure, write, read. What a channel has once been allowed it remembers, hence the cut."""
        self._rabbit.ctl("set_permissions", "guest", *rights)
        try:
            self.proxy.cut()
            time.sleep(seconds)
        finally:
            self._rabbit.ctl("set_permissions", "guest", *_ALL)

    def holds(self) -> int:
        """As RabbitMQ counts: what waits, is with a worker, is delayed, or dead."""
        return sum(self._messages().values())

    def is_empty(self) -> bool:
        return not any(count for name, count in self._messages().items() if name != DEAD)

    def _messages(self) -> dict[str, int]:
        """By queue. RabbitMQ tells only its own tool how many deliveries are not acknowledged.

        Queues that the broker has named hold no work: they are those of who listens to pulses.
        """
        listing = self._rabbit.ctl("list_queues", "--no-table-headers", "name", "messages")
        queues = dict(line.split("\t") for line in listing.splitlines())
        return {name: int(count) for name, count in queues.items() if not name.startswith("amq.gen-")}


@contextmanager
def rabbit_under_fire(folder: Path, setup: Setup) -> Iterator[RabbitUnderFire]:
    server = OwnRabbit()
    if setup.name == "timeout":
        milliseconds = int(CONSUMER_TIMEOUT_SECONDS * 1000)
        server.settings = {"consumer_timeout": milliseconds, "channel_tick_interval": 1000}
    wire = Wire()
    try:
        server.start()
        signed = certificate(folder) if setup.name == "tls" else None
        broker = RabbitUnderFire(
            server, Proxy(server.port, wire.talk, signed), wire, signed[0] if signed else None
        )
        try:
            yield broker
        finally:
            broker.close()
    finally:
        destroy(server, folder)
