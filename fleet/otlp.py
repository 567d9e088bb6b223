"""The fleet's metrics by OTLP, to a collector: for a process of its own (`fleet metrics --otlp`), never a worker.

What is told is what GET /metrics says, under its own names, and the two of OpenTelemetry's messaging conventions that a
fleet knows: `messaging.process.duration` and `messaging.client.consumed.messages`. Where to, how and how often is said
by the usual variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_METRIC_EXPORT_INTERVAL,
OTEL_RESOURCE_ATTRIBUTES). Needs fleet-workers[otel].
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

DEFAULT_INTERVAL_SECONDS = 60.0
_MESSAGING = {
    "fleet_task_duration_seconds": ("messaging.process.duration", "s"),
    "fleet_tasks": ("messaging.client.consumed.messages", "{message}"),
}


def interval_seconds() -> float:
    """How often, by OTEL_METRIC_EXPORT_INTERVAL (milliseconds)."""
    try:
        return max(1.0, float(os.environ["OTEL_METRIC_EXPORT_INTERVAL"]) / 1000)
    except (KeyError, ValueError):
        return DEFAULT_INTERVAL_SECONDS


class Pusher:
    """Raises ImportError where the extra is not installed."""

    def __init__(self, fleet: str, system: str) -> None:
        """`system` is the broker's kind, as in messaging.system: rabbitmq, redis, sqlite."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.resources import Resource

        self._exporter = OTLPMetricExporter()
        self._resource = Resource.create({"service.name": "fleet", "service.namespace": fleet})
        self._system = system

    def push(self, text: str) -> bool:
        """What `GET /metrics` has said; whether the collector took it."""
        from opentelemetry.sdk.metrics.export import MetricExportResult

        data = self._data(text_string_to_metric_families(text), time.time_ns())
        return bool(self._exporter.export(data) is MetricExportResult.SUCCESS)

    def _data(self, families: Iterable[Metric], now: int) -> Any:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        metrics = [metric for family in families for metric in self._metrics(family, now)]
        scope = ScopeMetrics(InstrumentationScope("fleet"), metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _metrics(self, family: Metric, now: int) -> Iterator[Any]:
        from opentelemetry.sdk.metrics.export import Metric as OtlpMetric

        data = _data_of(family, now, lambda labels: labels)
        unit = "s" if family.name.endswith("_seconds") else "1"
        yield OtlpMetric(family.name, family.documentation, unit, data)
        if family.name in _MESSAGING:
            name, unit = _MESSAGING[family.name]
            yield OtlpMetric(name, family.documentation, unit, _data_of(family, now, self._conventional))

    def _conventional(self, labels: dict[str, str]) -> dict[str, str]:
        found = {
            "messaging.system": self._system,
            "messaging.operation.name": "process",
            "messaging.destination.name": labels["queue"],
            "fleet.task": labels["task"],
        }
        if labels.get("outcome", "succeeded") != "succeeded":
            found["error.type"] = labels["outcome"]
        return found


def _data_of(family: Metric, now: int, named: Any) -> Any:
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Gauge,
        Histogram,
        NumberDataPoint,
        Sum,
    )

    if family.type == "histogram":
        return Histogram(list(_distributions(family, now, named)), AggregationTemporality.CUMULATIVE)
    points = [NumberDataPoint(named(dict(each.labels)), 0, now, each.value) for each in family.samples]
    if family.type == "counter":
        return Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Gauge(points)


def _distributions(family: Metric, now: int, named: Any) -> Iterator[Any]:
    """Prometheus counts up to each bound, OTLP between two."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    series: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        bound = labels.pop("le", None)
        one = series.setdefault(tuple(sorted(labels.items())), {"buckets": [], "sum": 0.0, "count": 0})
        if bound is not None:
            one["buckets"].append((float(bound), sample.value))
        elif sample.name.endswith("_sum"):
            one["sum"] = sample.value
        elif sample.name.endswith("_count"):
            one["count"] = int(sample.value)
    for labels_of, one in series.items():
        bounds, counts = zip(*sorted(one["buckets"]), strict=True)
        each = [int(count - before) for before, count in zip((0, *counts), counts, strict=False)]
        yield HistogramDataPoint(
            named(dict(labels_of)), 0, now, one["count"], one["sum"], each, list(bounds[:-1]), 0.0, 0.0
        )
