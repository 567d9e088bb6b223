"""Samples as text, by prometheus-client: formats and escaping are its affair. Loaded when somebody asks for metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from fleet.controller.metrics.metric_names import METRICS
from fleet.controller.metrics.metric_values import Distribution, Number

_FAMILIES = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}


def exposed(samples: Iterable[Number | Distribution], accept: str) -> tuple[bytes, str]:
    """The text and its content type, in the format that `accept`, an HTTP header, prefers."""
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(samples))
    return encode(registry), content_type


class _Samples(Collector):
    def __init__(self, samples: Iterable[Number | Distribution]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        """The families that have samples, in the order of METRICS."""
        families = {
            each.name: _FAMILIES[each.kind](each.name, each.help, labels=each.labels) for each in METRICS
        }
        for sample in self._samples:
            if isinstance(sample, Distribution):
                families[sample.name].add_metric(
                    sample.labels, buckets=sample.buckets, sum_value=sample.total
                )
            else:
                name, labels, value = sample
                families[name].add_metric(labels, value)
        return (family for family in families.values() if family.samples)
