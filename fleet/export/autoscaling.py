"""KEDA's ScaledObject for a group that scales, and the Deployment of `fleet view` that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config.model import Autoscale
from fleet.export.facts import PORT, Facts, Unit
from fleet.export.yaml_text import Commented

_POLL_SECONDS = 5
_COOLDOWN_SECONDS = 300
_HOLD_SECONDS = 60


def scaled_object(facts: Facts, unit: Unit) -> dict[str, Any]:
    """The bounds are the group's; how many it takes between them says `fleet view`, or the length of the queues."""
    name = f"{facts.slug}-{unit.slug}"
    by_view = facts.options.scaler == "view"
    spec = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": unit.fewest,
        "maxReplicaCount": unit.most,
        "pollingInterval": _POLL_SECONDS,
        "cooldownPeriod": _COOLDOWN_SECONDS,
        "fallback": {"failureThreshold": 3, "replicas": max(1, unit.fewest), "behavior": "currentReplicas"},
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": _HOLD_SECONDS}}
            }
        },
        "triggers": [_view_trigger(facts, unit)] if by_view else list(_broker_triggers(facts, unit)),
    }
    comments = {"cooldownPeriod": "only for the step to 0"}
    if not by_view:
        comments["triggers"] = (
            "By the length of the queues alone: messages that wait count, those that run, wait for their time or have\n"
            "a priority may not, and how long a task takes is not known. `--scaler view` goes by target_latency."
        )
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": Commented(spec, comments),
    }


def _view_trigger(facts: Facts, unit: Unit) -> dict[str, Any]:
    return {
        "type": "metrics-api",
        "metadata": {
            "url": f"http://{facts.slug}-view:{PORT}/v1/groups/{unit.name}",
            "valueLocation": "desired",
            "targetValue": "1",
        },
    }


def _broker_triggers(facts: Facts, unit: Unit) -> Iterator[dict[str, Any]]:
    wanted = unit.group.replicas
    assert isinstance(wanted, Autoscale)
    per_worker = str(max(1, unit.concurrency))
    for queue in unit.group.queues:
        if facts.scheme in ("redis", "rediss"):
            yield {
                "type": "redis",
                "metadata": {"addressFromEnv": "REDIS_ADDRESS", "listName": queue, "listLength": per_worker},
            }
        else:
            yield {
                "type": "rabbitmq",
                "metadata": {
                    "hostFromEnv": "BROKER_URL",
                    "protocol": "amqp",
                    "queueName": queue,
                    "mode": "QueueLength",
                    "value": per_worker,
                },
            }


def view_objects(facts: Facts, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """One that may be away for a while: the number of workers stays as it is, and schedules are caught up."""
    name = f"{facts.slug}-view"
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": facts.slug}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "selector": {"app.kubernetes.io/name": name},
                "ports": [{"name": "http", "port": PORT, "targetPort": "probes"}],
            },
        },
    ]
