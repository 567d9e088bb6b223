"""The messages of `beat_schedule`: Celery's own `apply_async`, with a producer that keeps what it is to publish.

So an entry's options, the task's own, the app's routes, custom task classes and signals have their say as with beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleet.clock import time
from fleet.protocol import Encoded
from fleet.schedules.app_schedules import Made

if TYPE_CHECKING:
    from celery import Celery

_KEPT = ("correlation_id", "reply_to", "delivery_mode")


class _Connection:
    """The little that Celery asks of a producer's connection."""

    @contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield


class _Keeper:
    """In the place of a producer: keeps the first message, which is the task's; another one is Celery's event of it."""

    def __init__(self) -> None:
        self.connection = _Connection()
        self.body: Any = None
        self.options: dict[str, Any] | None = None

    def publish(self, body: Any, **options: Any) -> None:
        if self.options is None:
            self.body, self.options = body, options


def maker(app: Celery, entry: Any) -> Callable[[str], Made]:
    """Makes the message of the run with that id. Raises ValueError with what is wrong."""

    def make(ident: str) -> Made:
        try:
            return _made(app, entry, ident)
        except Exception as error:  # of the entry's own functions, of a custom task class, of a serializer
            raise ValueError(f"{type(error).__name__}: {error}") from error

    return make


def _made(app: Celery, entry: Any, ident: str) -> Made:
    from celery.beat import _evaluate_entry_args, _evaluate_entry_kwargs

    args, kwargs = _evaluate_entry_args(entry.args), _evaluate_entry_kwargs(entry.kwargs)
    options = {**entry.options, "task_id": ident, "producer": (keeper := _Keeper())}
    options["headers"] = {**(entry.options.get("headers") or {}), "celery_beat_task": True}
    task = app.tasks.get(entry.task)
    if task is not None:
        task.apply_async(args, kwargs, **options)
    else:
        app.send_task(entry.task, args, kwargs, **options)
    if keeper.options is None:
        raise ValueError("the task's apply_async publishes nothing")
    return _as_made(keeper.body, keeper.options)


def _as_made(body: Any, options: dict[str, Any]) -> Made:
    from kombu import serialization
    from kombu.compression import compress

    content_type, encoding, text = serialization.dumps(body, serializer=options.get("serializer"))
    payload = text.encode() if isinstance(text, str) else text
    headers = dict(options.get("headers") or {})
    if options.get("compression"):
        payload, headers["compression"] = compress(payload, options["compression"])
    properties = {name: options[name] for name in _KEPT if options.get(name) is not None}
    message = Encoded(payload, headers, properties, content_type, encoding)
    return Made(message, _queue(options), options.get("priority"), _delay(headers.get("eta")))


def _queue(options: dict[str, Any]) -> str:
    declared = options.get("declare") or ()
    if declared:
        return str(declared[0].name)
    if not options.get("exchange"):
        return str(options["routing_key"])
    raise ValueError(f"it names the exchange {options['exchange']!r}: name a queue")


def _delay(eta: str | None) -> float:
    """Of `countdown` and `eta`."""
    return max(0.0, datetime.fromisoformat(eta).timestamp() - time.time()) if eta else 0.0
