"""A trace goes from who sends through the message to the task, and from there to what the task sends."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import retried
from fleet.protocol import Call, encode
from fleet.tasks import current, trace_context
from fleet.worker.execution import Executor, RunOptions, Target
from fleet.worker.outcome import Policy

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def executor(function: Any) -> Executor:
    target = Target(function, Policy(0, 1.0, 1.0, None, None), {})
    return Executor(
        {"t": target}, RunOptions(lambda _soft, _hard: contextlib.nullcontext()), accept=("json",)
    )


def delivery(**headers: Any) -> Delivery:
    message = encode(Call("1", "t", trace=headers))
    return Delivery(None, "io", message.body, message.headers)


@pytest.mark.parametrize("odd", [None, 5, "", "nonsense", PARENT.upper(), PARENT + "-x", ["x"], "x" * 10_000])
def test_what_is_no_parent_is_not_passed_on(odd: Any) -> None:
    assert trace_context.incoming({"traceparent": odd}) == {}


def test_a_state_that_is_too_long_is_left_out() -> None:
    assert trace_context.incoming({"traceparent": PARENT, "tracestate": "a=1"}) == {
        "traceparent": PARENT,
        "tracestate": "a=1",
    }
    assert trace_context.incoming({"traceparent": PARENT, "tracestate": "x" * 600}) == {"traceparent": PARENT}


def test_without_opentelemetry_a_task_passes_on_what_its_message_came_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace_context, "is_wanted", lambda: False)
    seen: list[Any] = []
    outcome = executor(lambda: seen.extend([trace_context.outgoing(), current.trace])).run(
        delivery(traceparent=PARENT)
    )
    assert outcome.kind == "succeeded", outcome
    assert seen == [{"traceparent": PARENT}, {"traceparent": PARENT}]
    assert trace_context.outgoing() == {}


def test_a_retry_keeps_the_trace() -> None:
    again = retried(delivery(traceparent=PARENT), 5.0, 1, 1e9)
    assert again.message.headers["traceparent"] == PARENT


def test_fleet_loads_no_opentelemetry_by_itself() -> None:
    code = "import sys, fleet.worker.run, fleet.tasks.sending; sys.exit('opentelemetry' in str(sorted(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def spans() -> Iterator[Any]:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


def test_a_request_its_task_and_what_the_task_sends_are_one_trace(spans: Any) -> None:
    from opentelemetry import trace

    sent: list[dict[str, str]] = []
    tracer = trace.get_tracer("web")
    with tracer.start_as_current_span("GET /cat"):
        sent.append(trace_context.outgoing())
    outcome = executor(lambda: sent.append(trace_context.outgoing())).run(delivery(**sent[0]))
    assert outcome.kind == "succeeded", outcome
    request, task = spans.get_finished_spans()
    assert (task.name, task.kind.name) == ("process t", "CONSUMER")
    assert task.parent.span_id == request.context.span_id
    assert task.context.trace_id == request.context.trace_id
    assert task.attributes["messaging.destination.name"] == "io"
    assert task.attributes["messaging.message.id"] == "1"
    assert f"{task.context.span_id:016x}" in sent[1]["traceparent"]


def test_the_span_of_a_task_that_fails_says_so(spans: Any) -> None:
    def fails() -> None:
        raise ValueError("no such image")

    outcome = executor(fails).run(delivery(traceparent=PARENT))
    assert (outcome.kind, outcome.reason) == ("failed", "ValueError: no such image")
    [span] = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert f"{span.context.trace_id:032x}" == PARENT.split("-")[1]
