"""Traces go through messages: W3C's `traceparent`, from who sends to the task, and from the task to what it sends.

With OpenTelemetry in the process (the app's choice, fleet loads none of it) a message carries the span that was current
when it was sent, and each task is a span below that. Without it the header is passed on as it came.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fleet.tasks.running import running

HEADERS = ("traceparent", "tracestate")
_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE = 512


def incoming(headers: Mapping[str, Any]) -> dict[str, str]:
    """What a message carries; {} for none, and for what is none."""
    parent = headers.get("traceparent")
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return {}
    state = headers.get("tracestate")
    known = isinstance(state, str) and 0 < len(state) <= _LONGEST_STATE
    return {"traceparent": parent, "tracestate": state} if known else {"traceparent": parent}  # type: ignore[dict-item]


def outgoing() -> dict[str, str]:
    """What a message carries that is sent now."""
    if is_wanted():
        carrier = dict[str, str]()
        _propagator().inject(carrier)
        if found := incoming(carrier):
            return found
    here = running.get(None)
    return dict(here.trace) if here is not None and here.trace else {}


def is_wanted() -> bool:
    """Whether the app has set OpenTelemetry up, so that tasks are spans. Libraries such as redis-py only load it."""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def task_span(headers: Mapping[str, Any], *, task: str, ident: str, queue: str) -> Iterator[None]:
    """Around a task: a span below the one that its message came with. Only where it `is_wanted`."""
    from opentelemetry import trace

    tracer = trace.get_tracer("fleet")
    about = {
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": queue,
        "messaging.message.id": ident,
        "fleet.task": task,
    }
    parent = _propagator().extract(incoming(headers))
    with tracer.start_as_current_span(
        f"process {task}", context=parent, kind=trace.SpanKind.CONSUMER, attributes=about
    ):
        yield


def _propagator() -> Any:
    """W3C's alone: baggage and other vendors' headers are not for every broker."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
