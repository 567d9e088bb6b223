"""The pools that can be forked from a process that has imported their code, and what that process may hold."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import GREEN, a
from fleet.rules.finding import Drop, Finding
from fleet.rules.registry import rule


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
                f"`preload` does nothing on {a(group.pool)} pool: its workers import their code themselves",
                part="key",
                help="remove it, or write preload = false if it comes from [defaults]",
            )


@rule(
    "FLT317", "opened-at-import-without-prefork", "info", reads=("workers.pool", "workers.opened_at_import")
)
def opened_at_import_without_prefork(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`opened_at_import` on a pool that forks no processes, where it does nothing.

    It says what becomes of connections and threads that the import of the app leaves open, when a prefork worker
    forks its processes. Other pools run the tasks where the app was imported: there is nothing to share.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "threads"
        concurrency = 20
        opened_at_import = "refuse"

    Good:

        [workers.http]
        queues = ["http"]
        pool = "threads"
        concurrency = 20
    """
    for name, group in fleet.workers.items():
        if (
            group.pool != "prefork"
            and "opened_at_import" in group.said
            and not _inherits(fleet, "opened_at_import")
        ):
            yield Finding(
                ("workers", name, "opened_at_import"),
                f"`opened_at_import` does nothing on {a(group.pool)} pool: it forks no processes",
                part="key",
                help="remove it",
            )


@rule("FLT318", "threads-without-asyncio", "warning", fix="safe", reads=("workers.pool", "workers.threads"))
def threads_without_asyncio(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`threads` on another pool than asyncio, where it does nothing.

    It says in how many threads an asyncio worker runs those tasks that are plain functions. How many tasks run at
    once on any other pool, the threads pool included, is `concurrency`.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "threads"
        threads = 20

    Good:

        [workers.http]
        queues = ["http"]
        pool = "threads"
        concurrency = 20
    """
    for name, group in fleet.workers.items():
        if group.pool != "asyncio" and "threads" in group.said and not _inherits(fleet, "threads"):
            path = ("workers", name, "threads")
            says_nothing = group.concurrency is None and group.pool != "solo"
            yield Finding(
                path,
                f"`threads` does nothing on {a(group.pool)} pool: only an asyncio pool uses it, for tasks that "
                "are plain functions",
                part="key",
                help=f"concurrency = {group.threads} if so many tasks are to run at once; else remove it"
                if says_nothing
                else "remove it",
                steps=() if says_nothing else (Drop(path),),
                safe=True,
            )


def _inherits(fleet: Fleet, key: str) -> bool:
    """Whether [defaults] says it for all groups, those included where it does something."""
    return key in fleet.defaults.said
