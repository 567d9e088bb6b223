"""Metrics by OTLP, against a stub of a collector that decodes what it gets."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from fleet.controller.history.totals import Key, Totals
from fleet.controller.metrics.exposition import exposed
from fleet.controller.metrics.metric_values import of_tasks
from fleet.histogram import BOUNDS
from fleet.otlp import Pusher, interval_seconds
from fleet.telemetry import DURATIONS, FAILED, SUCCEEDED, WALL, nothing


def metrics_text() -> str:
    numbers = nothing()
    numbers[SUCCEEDED], numbers[FAILED], numbers[WALL] = 3, 1, 2.5
    numbers[DURATIONS + 3], numbers[DURATIONS + 9] = 3, 1
    totals = Totals(totals={Key("task", "io", "shop.resize"): numbers})
    samples = [*of_tasks(totals), ("fleet_healthy", (), 1)]
    return exposed(samples, "text/plain")[0].decode()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportMetricsServiceRequest()
            request.ParseFromString(body)
            got.append((self.path, request))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield got
    server.shutdown()
    server.server_close()


def attributes(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


def test_a_collector_gets_the_metrics_and_those_of_the_messaging_conventions(collector: list[Any]) -> None:
    assert Pusher("shop", "rabbitmq").push(metrics_text())
    [(path, request)] = collector
    assert path == "/v1/metrics"
    [resource] = request.resource_metrics
    assert attributes(resource.resource)["service.namespace"] == "shop"
    found = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert found["fleet_healthy"].gauge.data_points[0].as_double == 1
    [duration] = found["messaging.process.duration"].histogram.data_points
    assert (duration.count, duration.sum) == (4, 2.5)
    assert list(duration.explicit_bounds) == list(BOUNDS)
    assert [place for place, count in enumerate(duration.bucket_counts) if count] == [3, 9]
    assert attributes(duration) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.destination.name": "io",
        "fleet.task": "shop.resize",
    }
    consumed = found["messaging.client.consumed.messages"].sum
    assert consumed.is_monotonic
    by_error = {attributes(each).get("error.type"): each.as_double for each in consumed.data_points}
    assert (by_error[None], by_error["failed"]) == (3, 1)


@pytest.mark.parametrize(("said", "seconds"), [("5000", 5.0), ("1", 1.0), ("soon", 60.0), (None, 60.0)])
def test_the_interval_is_what_the_usual_variable_says(
    monkeypatch: pytest.MonkeyPatch, said: str | None, seconds: float
) -> None:
    monkeypatch.delenv("OTEL_METRIC_EXPORT_INTERVAL", raising=False)
    if said is not None:
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", said)
    assert interval_seconds() == seconds
