"""RabbitMQ's own words under `arguments`: what a queue can be, what it does when it is full, what is spelt wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Change, Drop, Finding, KeyPath, Mark, Rename, Step
from fleet.rules.queues.quorum import is_quorum, rabbit_queues
from fleet.rules.registry import rule
from fleet.rules.words import listed

# Argument → what RabbitMQ takes for it.
_WORDS = {
    "x-queue-type": ("classic", "quorum"),
    "x-overflow": ("drop-head", "reject-publish", "reject-publish-dlx"),
    "x-queue-mode": ("default", "lazy"),
    "x-dead-letter-strategy": ("at-most-once", "at-least-once"),
    "x-queue-leader-locator": ("client-local", "balanced"),
    "x-queue-master-locator": ("client-local", "min-masters", "random"),
}
# Argument → the least and the most of it.
_RANGES: dict[str, tuple[int | None, int | None]] = {
    "x-message-ttl": (0, 2**32 - 1),
    "x-expires": (1, 2**32 - 1),
    "x-max-length": (0, None),
    "x-max-length-bytes": (0, None),
    "x-max-priority": (0, None),
    "x-delivery-limit": (-1, None),
    "x-consumer-timeout": (None, None),  # RabbitMQ takes any; whether it makes sense says FLT506
    "x-queue-version": (1, 2),
    "x-quorum-initial-group-size": (1, None),
}
# What one kind of queue refuses.
_OF_STREAMS = ("x-max-age", "x-initial-cluster-size", "x-stream-max-segment-size-bytes")
_NOT_QUORUM = ("x-queue-mode", "x-queue-version", "x-queue-master-locator", *_OF_STREAMS)
_NOT_CLASSIC = (
    *("x-dead-letter-strategy", "x-queue-leader-locator", "x-quorum-initial-group-size"),
    *("x-max-in-memory-length", "x-max-in-memory-bytes", *_OF_STREAMS),
)
_OTHERS = (
    *("x-single-active-consumer", "x-dead-letter-exchange", "x-dead-letter-routing-key"),
    *("x-max-in-memory-length", "x-max-in-memory-bytes", *_OF_STREAMS),
    *("x-ha-policy", "x-ha-nodes", "x-ha-sync-mode"),
)
_KNOWN = (*_WORDS, *_RANGES, *_OTHERS)
# What is said when a queue is declared, beside its arguments.
_PROPERTIES = ("durable", "exclusive", "auto-delete", "autodelete", "passive", "nowait", "no-wait")
_TYPED = {"x-message-ttl": "message_ttl", "x-max-priority": "max_priority"}


@rule("FLT121", "argument-refused", "error", fix="unsafe", reads=("queues.arguments",))
def argument_refused(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A raw queue argument with a word or number that RabbitMQ does not take.

    It refuses to declare the queue, and the group that consumes it does not start. Looked at are the kinds of
    queues, what a full queue does (`x-overflow`), lengths and times below nothing, and arguments that belong to the
    other kind of queue. A stream is no queue for tasks: it gives every worker every message.

    Bad:

        [queues.images]
        arguments = { x-queue-type = "quorom" }

    Good:

        [queues.images]
        arguments = { x-queue-type = "quorum" }

    Source: tried with RabbitMQ; its documentation, Queues (optional arguments).
    """
    for name, queue in rabbit_queues(fleet):
        for key, value in queue.arguments.items():
            path: KeyPath = ("queues", name, "arguments", key)
            finding = (
                _wrong_word(path, key, value)
                or _out_of_range(path, key, value)
                or _of_other_kind(path, queue)
            )
            if finding:
                yield finding


def _wrong_word(path: KeyPath, key: str, value: Any) -> Finding | None:
    words = _WORDS.get(key)
    if words is None or not isinstance(value, str) or value in words:
        return None
    if (key, value) == ("x-queue-type", "stream"):
        return Finding(
            path,
            "a stream is no queue for tasks: it gives every worker every message",
            help='x-queue-type = "quorum", or leave it out for a classic queue',
        )
    guess = nearest(value.lower(), words)
    return Finding(
        path,
        f'RabbitMQ knows no {key} "{value[:40]}": it refuses the queue',
        help=f'did you mean "{guess}"?' if guess else f"one of {listed(words)}",
        steps=(Change(path, f'"{guess}"'),) if guess else (),
    )


def _out_of_range(path: KeyPath, key: str, value: Any) -> Finding | None:
    if key not in _RANGES or isinstance(value, bool) or not isinstance(value, int):
        return None  # FLT107
    least, most = _RANGES[key]
    if (least is None or value >= least) and (most is None or value <= most):
        return None
    bounds = f"at least {least:,}" if most is None else f"from {least:,} to {most:,}"
    return Finding(
        path,
        f"{key} is {bounds}, got {value:,}: RabbitMQ refuses it",
        help=f"write a number, {bounds}, or leave {key} out",
    )


def _of_other_kind(path: KeyPath, queue: Queue) -> Finding | None:
    if path[-1] not in (_NOT_QUORUM if is_quorum(queue) else _NOT_CLASSIC):
        return None
    mine, other = ("quorum", "classic") if is_quorum(queue) else ("classic", "quorum")
    where = "streams" if path[-1] in _OF_STREAMS else f"{other} queues"
    kind = Mark((*path[:-1], "x-queue-type"), f"a {mine} queue")
    return Finding(
        path,
        f"{path[-1]} is for {where}: RabbitMQ refuses it for a {mine} one",
        related=(kind,) if "x-queue-type" in queue.arguments else (),
        help="leave it out",
        steps=(Drop(path),) if len(queue.arguments) > 1 else (Drop(path[:-1]),),
    )


@rule("FLT119", "unknown-argument", "warning", fix="unsafe", reads=("queues.arguments",))
def unknown_argument(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """An argument that nearly has the name of one of RabbitMQ's, or that is none.

    RabbitMQ takes arguments that it doesn't know, and does nothing with them: a letter too many, and the queue has
    no limit. `exclusive`, `auto_delete` and `durable` are no arguments either: as such they do nothing, and fleet's
    queues are never exclusive or deleted by themselves. Names that are like none of its own may belong to a plugin, and
    are not reported.

    Bad:

        [queues.images]
        arguments = { x-max-lenght = 10_000, x-overflow = "reject-publish" }

    Good:

        [queues.images]
        arguments = { x-max-length = 10_000, x-overflow = "reject-publish" }
    """
    for name, queue in rabbit_queues(fleet):
        for key in queue.arguments:
            path: KeyPath = ("queues", name, "arguments", key)
            if _plain(key).removeprefix("x-") in _PROPERTIES:
                yield _property(path, queue)
                continue
            guess = None if key in _KNOWN else nearest(_plain(key), _KNOWN, cutoff=0.8)
            if guess is None:
                continue
            is_free = guess not in queue.arguments
            steps: tuple[Step, ...] = (Rename(path, guess),) if is_free else ()
            yield Finding(
                path,
                f"RabbitMQ knows no argument `{key}`, and ignores it",
                part="key",
                help=f"did you mean `{guess}`?"
                if is_free
                else f"`{guess}` is there already: remove this one",
                steps=steps,
            )


def _property(path: KeyPath, queue: Queue) -> Finding:
    own = "durable" if "durable" in str(path[-1]) else None
    return Finding(
        path,
        f"`{path[-1]}` is no argument of a queue: RabbitMQ ignores it here",
        part="key",
        help=f"remove it; `{own}` is a key of the queue itself"
        if own
        else "remove it: fleet declares queues that are neither exclusive nor auto-deleted",
        steps=(Drop(path if len(queue.arguments) > 1 else path[:-1]),),
    )


def _plain(key: str) -> str:
    """ "max_length" → "x-max-length"."""
    plain = key.lower().replace("_", "-")
    return plain if plain.startswith("x-") else f"x-{plain}"


@rule(
    "FLT120",
    "argument-said-twice",
    "warning",
    fix="unsafe",
    reads=("queues.arguments", "queues.message_ttl", "queues.max_priority"),
)
def argument_said_twice(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A raw argument beside the key that stands for the same.

    `message_ttl` is sent as x-message-ttl, `max_priority` as x-max-priority. Of the two only the key counts, and the
    raw argument says something that does not hold.

    Bad:

        [queues.images]
        max_priority = 5
        arguments = { x-max-priority = 10 }

    Good:

        [queues.images]
        max_priority = 5
    """
    for name, queue in rabbit_queues(fleet):
        for key, typed in _TYPED.items():
            if key in queue.arguments and getattr(queue, typed) is not None and not is_quorum(queue):
                path: KeyPath = ("queues", name, "arguments", key)
                yield Finding(
                    path,
                    f"`{key}` does nothing: `{typed}` of the same queue counts",
                    related=(Mark(("queues", name, typed), "this counts"),),
                    help=f"remove {key}",
                    steps=(Drop(path if len(queue.arguments) > 1 else path[:-1]),),
                )
