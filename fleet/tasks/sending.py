"""From a call to a message on the broker: route it, write it, publish it confirmed."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from fleet.broker.delivery import Posting
from fleet.broker.producer import producer
from fleet.protocol import Call, encode
from fleet.spec import QueueSpec
from fleet.tasks.routing import Routing, routing
from fleet.tasks.running import running
from fleet.tasks.task import SendOptions

_BATCH = 1000  # messages: enough to hide a round trip, and no broker stands still for long


class UnknownQueue(LookupError):  # noqa: N818
    """A queue that fleet.toml does not declare."""


def send(
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: SendOptions,
    *,
    queue: str | None = None,
) -> str:
    """Publish one call.

    Its id. `queue` is the task's own, which goes before the rules and after the options.
    """
    [ident] = send_many(task, [(args, kwargs)], options, queue=queue)
    return ident


def send_many(
    task: str,
    calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]],
    options: SendOptions,
    *,
    queue: str | None = None,
    rules: Routing | None = None,
) -> list[str]:
    """Publish many calls of one task together, far cheaper than one by one; their ids.

    `rules`: default, those of this process. All are confirmed when this returns. Raises what Task.send
    raises.
    """
    rules = rules or routing()
    target, priority = destination(rules, task, options, queue)
    left, idents = iter(calls), []
    while batch := list(islice(left, _BATCH)):
        now = time.time()
        written = [_call(task, args, kwargs, options, now) for args, kwargs in batch]
        postings = [_posting(call, target, priority, options.delay_seconds or 0.0) for call in written]
        producer(rules.spec.broker).publish(postings, target)
        idents += [call.id for call in written]
    return idents


def destination(
    rules: Routing, task: str, options: SendOptions, queue: str | None = None
) -> tuple[QueueSpec, int | None]:
    """Queue and priority for a call. Raises Unroutable or UnknownQueue."""
    chosen = options.queue or queue
    if chosen is None:
        match = rules.router.route(task, source=str(rules.source))
        chosen, priority = match.queue, match.priority
    else:
        priority = None
    try:
        target = rules.spec.queue(chosen)
    except KeyError:
        declared = ", ".join(known.name for known in rules.spec.queues) or "none"
        raise UnknownQueue(
            f"{task}: queue {chosen!r} is not declared in {rules.source} (declared: {declared})"
        ) from None
    return target, priority if options.priority is None else options.priority


def _call(
    task: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: SendOptions, now: float
) -> Call:
    parent = running.get(None)
    return Call(
        id=str(uuid.uuid4()),
        task=task,
        args=tuple(args),
        kwargs=dict(kwargs),
        # Celery workers wait for it, and it survives a broker that can't delay.
        eta=now + options.delay_seconds if options.delay_seconds else None,
        expires=now + options.expires_seconds if options.expires_seconds is not None else None,
        time_limit=options.time_limit_seconds,
        soft_time_limit=options.soft_time_limit_seconds,
        parent_id=parent.id if parent else None,
    )


@lru_cache(1)
def _origin(pid: int) -> str:
    return f"{pid}@{os.uname().nodename}"


def _posting(call: Call, queue: QueueSpec, priority: int | None, delay_seconds: float) -> Posting:
    message = encode(call, origin=_origin(os.getpid()))
    if priority is not None:
        message = message._replace(properties={**message.properties, "priority": priority})
    return Posting(
        queue=queue.name,
        message=message,
        delay_seconds=delay_seconds,
        exchange=queue.exchange,
        routing_key=(queue.routing_key or queue.name) if queue.exchange else "",
    )
