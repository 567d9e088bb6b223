"""Which pools can be forked from a process that has imported their code."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding
from fleet.rules.registry import rule
from fleet.rules.view import GREEN


@rule("FLT316", "preload-on-green-pool", "info", reads=("workers.pool", "workers.preload"))
def preload_on_green_pool(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`preload` on a gevent or eventlet pool, where it does nothing yet.

    These workers patch the standard library before anything is imported, and each imports its code by
    itself. They start and run as without the key.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500
        preload = true

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500
    """
    for name, group in fleet.workers.items():
        if group.preload and group.pool in GREEN:
            yield Finding(
                ("workers", name, "preload"),
                f"`preload` does nothing on a {group.pool} pool: its workers import their code themselves",
                part="key",
                help="remove it, or write preload = false if it comes from [defaults]",
            )
