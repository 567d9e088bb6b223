"""The sending of a message, from a call to the broker: route it, write it, publish it confirmed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fleet.broker.delivery import MessageTooLarge, Posting
from fleet.broker.producer import producer
from fleet.clock import time
from fleet.protocol import Call, Encoded, encode
from fleet.spec import BrokerSpec, QueueSpec
from fleet.tasks import trace_context
from fleet.tasks.routing import Routing, routing
from fleet.tasks.running import running
from fleet.tasks.send_options import SendOptions

_BATCH = 1000  # messages: enough to hide a round trip, and no broker stands still for long
_BATCH_BYTES = 32 << 20  # of bodies: they lie in memory more than once until they are sent


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
    broker, idents = rules.spec.broker, []
    delay = options.delay_seconds or 0.0
    written = (_call(task, args, kwargs, options, time.time()) for args, kwargs in calls)
    postings = (_posting(call, target, priority, delay) for call in written)
    for batch in _batches(postings, task, broker.max_message_bytes):
        producer(broker).publish(batch, target)
        idents += [posting.message.headers["id"] for posting in batch]
    return idents


class Written(NamedTuple):
    """One call, ready to be published."""

    ident: str
    posting: Posting
    queue: QueueSpec
    broker: BrokerSpec


def write(
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: SendOptions,
    *,
    queue: str | None = None,
) -> Written:
    """What `send` would publish. Raises what it raises before."""
    rules = routing()
    target, priority = destination(rules, task, options, queue)
    call = _call(task, args, kwargs, options, time.time())
    posting = _posting(call, target, priority, options.delay_seconds or 0.0)
    [[_]] = _batches(iter([posting]), task, rules.spec.broker.max_message_bytes)
    return Written(call.id, posting, target, rules.spec.broker)


def publish_each(written: Sequence[Written]) -> list[Exception | None]:
    """Publish those for one queue together; why each is not on the broker, None where it is."""
    errors: dict[int, Exception | None] = {}
    by_queue: dict[tuple[int, str], list[int]] = {}
    for index, each in enumerate(written):
        by_queue.setdefault((id(each.broker), each.queue.name), []).append(index)
    for indices in by_queue.values():
        first = written[indices[0]]
        try:
            found = producer(first.broker).publish_each(
                [[written[at].posting] for at in indices], first.queue
            )
        except Exception as error:
            found = [error] * len(indices)
        errors.update(zip(indices, found, strict=True))
    return [errors[index] for index in range(len(written))]


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
        sent=now,
        trace=trace_context.outgoing(),
    )


def _batches(postings: Iterator[Posting], task: str, most: int) -> Iterator[list[Posting]]:
    """Raises MessageTooLarge for a body of more than `most` bytes: here, where somebody hears of it."""
    batch: list[Posting] = []
    whole = 0
    for posting in postings:
        if (size := len(posting.message.body)) > most:
            raise MessageTooLarge(
                f"{task}: the arguments take {size} bytes, [broker] max_message_size allows {most}: raise it, or "
                "send the name of a file or object instead of what is in it"
            )
        batch.append(posting)
        whole += size
        if len(batch) == _BATCH or whole >= _BATCH_BYTES:
            yield batch
            batch, whole = [], 0
    if batch:
        yield batch


@lru_cache(1)
def _origin(pid: int) -> str:
    return f"{pid}@{os.uname().nodename}"


def _posting(call: Call, queue: QueueSpec, priority: int | None, delay_seconds: float) -> Posting:
    made = posting(call, queue, priority, origin=_origin(os.getpid()))
    return made._replace(delay_seconds=delay_seconds) if delay_seconds else made


def posting(
    call: Call,
    queue: QueueSpec,
    priority: int | None,
    *,
    origin: str,
    headers: Mapping[str, Any] | None = None,
) -> Posting:
    """The message of that call on its way to `queue`, with further `headers`."""
    message = encode(call, origin=origin)
    if priority is not None:
        message = message._replace(properties={**message.properties, "priority": priority})
    return posting_of(message, queue, headers=headers)


def posting_of(
    message: Encoded,
    queue: QueueSpec,
    delay_seconds: float = 0.0,
    *,
    headers: Mapping[str, Any] | None = None,
) -> Posting:
    """The message on its way to `queue`, with further `headers`."""
    if headers:
        message = message._replace(headers={**message.headers, **headers})
    return Posting(
        queue=queue.name,
        message=message,
        delay_seconds=delay_seconds,
        exchange=queue.exchange,
        routing_key=(queue.routing_key or queue.name) if queue.exchange else "",
    )
