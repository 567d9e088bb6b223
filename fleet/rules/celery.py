"""FLT717 and FLT718: a Celery app's settings against the file; `fleet validate --app` reads them elsewhere.

Each setting is honoured, or said by a key of fleet.toml, or named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fleet.broker_url.masking import mask_url
from fleet.config.model import Fleet
from fleet.rules.consumption_facts import consumed, count, is_guesswork
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import on_request

_APP: KeyPath = ("fleet", "app")


class CelerySettings(NamedTuple):
    """Of the app that `entry` names: those it sets itself. `bootsteps`: the classes it adds to Celery's worker."""

    entry: str
    settings: Mapping[str, Any]
    bootsteps: tuple[str, ...] = ()


@on_request("FLT717", "celery-setting-without-effect", "warning")
def celery_setting_without_effect(fleet: Fleet, app: CelerySettings) -> Iterator[Finding]:
    """A Celery setting that does nothing here, or would do harm (`--app`).

    Each setting of the app is honoured, said by fleet.toml instead, or named by this check. How many processes run
    and in which pool, when they are replaced, how much is prefetched: that is said per group, and the app's
    `worker_…` settings do nothing. What would change what the app does is an error: a broker that is not the
    fleet's, `task_always_eager`, a consumer or bootsteps of its own, an entry of `beat_schedule` for a queue that
    nobody consumes. Only `fleet validate --app` finds this,
    because it has to import the app.

    Bad, with `worker_concurrency = 16` in the app's settings:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4

    Good, without that setting:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
    """
    for name, value in app.settings.items():
        if (say := _SAYINGS.get(name)) is not None:
            yield from say(fleet, value)
    if app.bootsteps:
        steps = ", ".join(app.bootsteps[:3])
        yield Finding(
            _APP,
            f"the app adds bootsteps to Celery's worker ({steps}): they do not run here",
            help="do what they do in a handler of worker_init, worker_ready or worker_shutdown, or leave those "
            "queues to a Celery worker",
            severity="error",
        )


@on_request("FLT718", "celery-tasks-acknowledged-early", "info")
def celery_tasks_acknowledged_early(fleet: Fleet, tasks: Sequence[str]) -> Iterator[Finding]:
    """Celery tasks acknowledged when they begin: a crash loses those (`--app`).

    That is Celery's default, and fleet keeps it: each task as it says. What has not begun is never lost, whatever
    it says. With `acks = "late"` a group settles each message after its task, so that a crash runs it again: for
    tasks that may run twice. Only `fleet validate --app` counts them, because it has to import the app.

    Bad, with tasks that do not set `acks_late`:

        [workers.mail]
        queues = ["mail"]
        pool = "prefork"
        concurrency = 2

    Good, if they may run twice:

        [workers.mail]
        queues = ["mail"]
        pool = "prefork"
        concurrency = 2
        acks = "late"
    """
    if tasks and any(group.acks in (None, "app") for group in fleet.workers.values()):
        shown = ", ".join(tasks[:5]) + (f" and {len(tasks) - 5} more" if len(tasks) > 5 else "")
        yield Finding(
            _APP,
            f"a crash loses running messages of {count(len(tasks), 'task')} ({shown}): they are acknowledged before "
            "the task begins, Celery's default",
            help='acks = "late" in a group whose tasks may run twice, or acks_late=True on the task',
            severity="info",
        )


def _another_broker(fleet: Fleet, value: Any) -> Iterator[Finding]:
    url = fleet.broker.url
    if isinstance(value, str) and url and _bare(value) != _bare(url):
        yield Finding(
            ("broker", "url"),
            f"the app sends to {mask_url(value)}, but the workers of this fleet consume from {mask_url(url)}",
            help="use one variable for both URLs: else what the app sends reaches no worker",
            severity="error",
        )


def _bare(url: str) -> str:
    return url.rstrip("/").replace("fleet-redis://", "redis://").replace("pyamqp://", "amqp://")


def _eager(_fleet: Fleet, value: Any) -> Iterator[Finding]:
    if value:
        yield Finding(
            _APP,
            "task_always_eager is on: each task runs in the process that calls it, and no worker gets any",
            help="set it in tests only",
            severity="error",
        )


def _not_accepted(fleet: Fleet, value: Any) -> Iterator[Finding]:
    if isinstance(value, list) and set(value) != set(fleet.broker.accept):
        yield Finding(
            ("broker", "accept"),
            f"the app accepts {', '.join(value)}, but [broker] accept says {', '.join(fleet.broker.accept)}: "
            "for the app's tasks its own setting holds",
            help=f"accept = [{', '.join(repr(each) for each in value)}]".replace("'", '"'),
        )


def _visibility(_fleet: Fleet, value: Any) -> Iterator[Finding]:
    if isinstance(value, dict) and "visibility_timeout" in value:
        yield Finding(
            _APP,
            "visibility_timeout has no effect here: a worker keeps a message for as long as it renews its lease",
            help="remove it; [broker] lease says how long a worker that stopped renewing keeps its messages",
            severity="info",
        )


def _replaced_by(key: str, told: Callable[[Any], str] = str) -> Callable[[Fleet, Any], Iterator[Finding]]:
    """`key` of a group says it here."""

    def say(fleet: Fleet, value: Any) -> Iterator[Finding]:
        groups = [name for name, group in fleet.workers.items() if getattr(group, key) is None]
        if groups or key in ("concurrency", "pool"):
            yield Finding(
                _APP,
                f"{_NAMES[key]} = {value!r} of the app has no effect: fleet takes `{key}` of the worker group",
                help=f"write {key} = {told(value)} in [workers.NAME], or remove it from the app",
                severity="warning",
            )

    return say


def _no_effect(name: str, why: str) -> Callable[[Fleet, Any], Iterator[Finding]]:
    def say(_fleet: Fleet, _value: Any) -> Iterator[Finding]:
        yield Finding(_APP, f"{name} of the app has no effect: {why}", severity="info")

    return say


def _own_consumer(_fleet: Fleet, value: Any) -> Iterator[Finding]:
    yield Finding(
        _APP,
        f"the app replaces a part of Celery's worker by its own ({value}), which does not run in fleet",
        help="leave the queues that need it to a Celery worker",
        severity="error",
    )


def _copies(fleet: Fleet, value: Any) -> Iterator[Finding]:
    """Broadcast queues, of which each worker of a group that names them gets a copy."""
    named = {queue for group in fleet.workers.values() for queue in group.queues}
    if missing := [name for name in value if name not in named]:
        yield Finding(
            _APP,
            f"Broadcast queues give each worker a copy ({', '.join(missing)}): no worker of this fleet consumes them",
            help=f"add [queues.{missing[0]}], and its name to `queues` of each group whose workers are to get a copy",
            severity="error",
        )


_NAMES = {
    "concurrency": "worker_concurrency",
    "pool": "worker_pool",
    "max_tasks": "worker_max_tasks_per_child",
    "max_memory": "worker_max_memory_per_child",
}


def _loops(fleet: Fleet, value: Any) -> Iterator[Finding]:
    if not isinstance(value, dict) or not fleet.project.beat:
        return
    shown = ", ".join(f"{name} every {seconds:g} s" for name, seconds in list(value.items())[:5])
    yield Finding(
        _APP,
        f"beat_schedule sends {shown}: that is a loop and no schedule; below 100 ms it is sent every 100 ms",
        help="loop in the task instead",
    )


def _nowhere(fleet: Fleet, value: Any) -> Iterator[Finding]:
    """Entries of beat_schedule that FLT804 would name, were they [[schedules]]."""
    if not isinstance(value, dict) or not fleet.project.beat:
        return
    for name, queue in value.items():
        if queue in consumed(fleet) or (queue in fleet.queues and is_guesswork(fleet)):
            continue
        lacks = "no group with replicas consumes" if queue in fleet.queues else "is not declared"
        yield Finding(
            _APP,
            f'beat_schedule sends "{name}" to the queue "{queue}", which {lacks}',
            help=f'add "{queue}" to the `queues` of a group, or send it elsewhere',
            severity="error",
        )


_SAYINGS: Mapping[str, Callable[[Fleet, Any], Iterator[Finding]]] = {
    "broker_url": _another_broker,
    "task_always_eager": _eager,
    "accept_content": _not_accepted,
    "broker_transport_options": _visibility,
    "worker_concurrency": _replaced_by("concurrency"),
    "worker_pool": _replaced_by("pool", lambda value: f'"{value}"'),
    "worker_max_tasks_per_child": _replaced_by("max_tasks"),
    "worker_max_memory_per_child": _replaced_by("max_memory", lambda kib: f'"{int(kib) // 1024 or 1}MiB"'),
    "worker_autoscaler": _no_effect("worker_autoscaler", "`replicas` of a worker group scales it"),
    "worker_prefetch_multiplier": _no_effect(
        "worker_prefetch_multiplier", "fleet takes `prefetch` of the worker group"
    ),
    "worker_soft_shutdown_timeout": _no_effect(
        "worker_soft_shutdown_timeout", "fleet takes `grace_period` of the worker group"
    ),
    "worker_state_db": _no_effect("worker_state_db", "revocations are kept in the state directory"),
    "worker_consumer": _own_consumer,
    "worker_agent": _own_consumer,
    "beat_loops": _loops,
    "beat_queues": _nowhere,
    "broadcast": _copies,
}
