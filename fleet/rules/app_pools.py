"""FLT319 and FLT320: the app's tasks against the pools that run them; `fleet validate --app` imports the app."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.config.model import Fleet
from fleet.rules.app import AppTask, listed, queues_of
from fleet.rules.consumption_facts import GREEN, meant
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import on_request


@on_request("FLT319", "async-task-on-green-pool", "error")
def async_task_on_green_pool(fleet: Fleet, tasks: Sequence[AppTask]) -> Iterator[Finding]:
    """An `async def` task comes to a gevent or eventlet pool (`--app`).

    A coroutine needs an event loop, and one that waits in a green thread would stop all others. So a worker
    of these pools does not start with such a task among those that its queues bring. Run it where there is
    an event loop: asyncio has one for all its tasks; threads, prefork and solo have one per thread or
    process, and run one coroutine at a time in it.

    Bad, with a task `async def fetch()` in the app:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200

    Good:

        [workers.http]
        queues = ["http"]
        pool = "asyncio"
        concurrency = 200
    """
    for name, lost, led in _coming_to(fleet, GREEN, [task for task in tasks if task.is_async]):
        pool = fleet.workers[name].pool
        yield Finding(
            ("workers", name, "pool"),
            f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} `async def`, which a {pool} pool can't run: "
            f'workers of "{name}" would not start',
            help='pool = "asyncio"; or a queue of its own for it, consumed by a group on asyncio, threads, prefork '
            "or solo",
            related=led,
        )


@on_request("FLT320", "plain-function-on-asyncio", "info")
def plain_function_on_asyncio(fleet: Fleet, tasks: Sequence[AppTask]) -> Iterator[Finding]:
    """A task that is a plain function comes to an asyncio pool (`--app`).

    In the event loop it would block all other tasks, so it runs in a thread: at most `threads` of them at
    once (default 8), however large `concurrency` is; further ones wait, each in a slot. That is fine for
    a few of them. Many that wait belong on gevent or threads, ones that compute on prefork; or they become
    `async def`.

    Bad, with a task `def resize()` in the app:

        [workers.http]
        queues = ["http"]
        pool = "asyncio"
        concurrency = 500

    Good, if so many threads are meant:

        [workers.http]
        queues = ["http"]
        pool = "asyncio"
        concurrency = 500
        threads = 16                # fleet: ignore[FLT320] resize is rare
    """
    for name, plain, led in _coming_to(fleet, ("asyncio",), [task for task in tasks if not task.is_async]):
        group = fleet.workers[name]
        said = "" if "threads" in group.said else ", the default"
        yield Finding(
            ("workers", name, "threads" if "threads" in group.said else "pool"),
            f"{listed(plain)} {'is a plain function' if len(plain) == 1 else 'are plain functions'}: on asyncio "
            f"{'it runs' if len(plain) == 1 else 'they run'} in threads, {group.threads} at once{said}",
            help="`threads` says how many; hundreds at once need `async def`, or a gevent group",
            related=led,
        )


def _coming_to(
    fleet: Fleet, pools: Sequence[str], tasks: Sequence[AppTask]
) -> Iterator[tuple[str, list[AppTask], tuple[Mark, ...]]]:
    """(group on one of the pools, those of the tasks that its queues bring, where they are led there)."""
    reached = queues_of(fleet, tasks)
    for name, group in fleet.workers.items():
        own = {meant(fleet, queue) for queue in group.queues}
        coming = [task for task in tasks if reached[task.name] in own]
        if group.pool in pools and coming:
            queues = dict.fromkeys(reached[task.name] for task in coming)
            yield name, coming, tuple(Mark(("queues", str(queue)), "they come from here") for queue in queues)
