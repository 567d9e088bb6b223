"""The libraries that a pool needs."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import GREEN
from fleet.rules.finding import Change, Finding
from fleet.rules.registry import rule


@rule("FLT308", "pool-not-installed", "error", varies=True, reads=("workers.pool",))
def pool_not_installed(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The pool's library is not installed.

    gevent and eventlet are optional. They have to be importable in the environment that runs the
    workers, which is the one that this check runs in.

    Bad (in an environment without gevent):

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500

    Good:

        pip install 'fleet-workers[gevent]'
    """
    for name, group in fleet.workers.items():
        if group.pool in GREEN and group.pool not in machine.modules:
            yield Finding(
                ("workers", name, "pool"),
                f'group "{name}" needs {group.pool}, which can\'t be imported here',
                help=f"pip install 'fleet-workers[{group.pool}]', in the environment that runs the workers",
            )


@rule("FLT309", "eventlet-retiring", "warning", varies=True, fix="unsafe", reads=("workers.pool",))
def eventlet_retiring(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The eventlet pool, whose library is being retired.

    eventlet's maintainers keep it alive for old users and advise against new use. There are two ways out.
    gevent does the same for tasks that wait; only code that imports eventlet itself has to change. Or
    asyncio, which eventlet's maintainers recommend: the tasks become `async def`, with libraries that
    await; those that stay plain functions run there in a few threads (`threads`).

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "eventlet"
        concurrency = 500

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500

    Source: the notice at the top of eventlet's README.
    """
    for name, group in fleet.workers.items():
        if group.pool == "eventlet" and "eventlet" in machine.modules:
            path = ("workers", name, "pool")
            yield Finding(
                path,
                "eventlet is being retired by its maintainers",
                help='pool = "gevent" does the same, unless the tasks use eventlet themselves; or pool = "asyncio", '
                "which the maintainers recommend, with tasks that are `async def`",
                steps=(Change(path, '"gevent"'),),
            )
