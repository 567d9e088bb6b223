"""A kustomize base: a file per group, fleet.toml as a ConfigMap whose hash rolls the pods, secrets as an example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.export.autoscaling import scaled_object, view_objects
from fleet.export.cronjobs import cron_jobs, cron_problems
from fleet.export.facts import (
    PORT,
    Facts,
    Unit,
    no_memory_limit,
    notes_are_lost,
    on_one_host_only,
    sent_by_nobody,
)
from fleet.export.pods import NAME, config_map, full_name, job_pod, pod, view_sends
from fleet.export.problem import Problem
from fleet.export.yaml_text import Commented, document

Files = dict[str, str]
"""Relative path → text."""

_PART_OF = "app.kubernetes.io/part-of"


def files(facts: Facts) -> tuple[Files, list[Problem]]:
    """By relative path, and what could not be said in them."""
    problems = [*facts.problems, *_problems(facts)]
    made = {f"{unit.slug}.yaml": _group_file(facts, unit) for unit in facts.units}
    if has_view(facts):
        made["fleet-view.yaml"] = _documents(view_objects(facts, pod(facts, None)))
    if facts.options.schedules == "cronjob" and (jobs := cron_jobs(facts, job_pod(facts))):
        made["schedules.yaml"] = _documents(jobs)
    if secrets := list(_secrets(facts)):
        made["secret.example.yaml"] = _documents(
            secrets,
            "Not part of the base: copy it, fill it in, keep it out of version control, and apply it first.",
        )
    made["fleet.toml"] = facts.text
    made["kustomization.yaml"] = document(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": sorted(
                name for name in made if name.endswith(".yaml") and name != "secret.example.yaml"
            ),
            "configMapGenerator": [{"name": config_map(facts), "files": ["fleet.toml"]}],
            "labels": [{"pairs": {_PART_OF: facts.slug}}],
        },
        "Written by `fleet export kubernetes`; its `--check` tells in CI when it is stale.",
    )
    return dict(sorted(made.items())), problems


def has_view(facts: Facts) -> bool:
    """Whether there is a `fleet view`: for a scaler that asks it, or for what is sent by the clock."""
    scales = facts.options.scaler == "view" and any(unit.scales for unit in facts.units)
    return scales or view_sends(facts)


def _documents(objects: Iterator[dict[str, Any]] | list[dict[str, Any]], comment: str = "") -> str:
    texts = [document(each) for each in objects]
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "---\n".join(texts)


def _problems(facts: Facts) -> Iterator[Problem]:
    yield from on_one_host_only(facts)
    if facts.options.schedules == "none":
        yield from sent_by_nobody(facts.fleet)
    else:
        yield from notes_are_lost(facts)
    if facts.options.schedules == "cronjob":
        yield from cron_problems(facts)
    rollout = facts.fleet.rollout
    if rollout.max_surge == 0 and rollout.max_unavailable == 0:
        yield Problem(
            ("rollout", "max_unavailable"), "with no surge and none unavailable no rollout can progress"
        )
    if rollout.on_failure == "rollback" and "on_failure" in rollout.said:
        yield Problem(
            ("rollout", "on_failure"),
            "Kubernetes reports a missed deadline and goes no further: it does not roll back by itself",
            "`helm upgrade --atomic`, or `kubectl rollout undo` in the pipeline",
            "info",
        )
    if rollout.watch:
        yield Problem(
            ("rollout", "watch"), "pods run an image: changed code comes with a new one", None, "info"
        )
    if facts.options.scaler == "none":
        for unit in facts.units:
            if unit.scales:
                yield Problem(
                    ("workers", unit.name, "replicas"),
                    f"without a scaler there are always {unit.fewest}",
                    "--scaler view, or --scaler broker",
                    "warning",
                )
    for unit in facts.units:
        yield from _of_unit(facts, unit)


def _of_unit(facts: Facts, unit: Unit) -> Iterator[Problem]:
    group, path = unit.group, ("workers", unit.name)
    yield from no_memory_limit(unit)
    if group.user is not None and not group.user.isdecimal():
        yield Problem(
            (*path, "user"),
            f"a pod's user is a number, and only the image knows which one {group.user!r} is",
            'user = "10001", or USER 10001 in the image',
            "warning",
        )
    if group.nice:
        yield Problem((*path, "nice"), "pods have CPU requests instead of niceness", None, "warning")
    if group.preload:
        yield Problem((*path, "preload"), "each pod is a process of its own: nothing is shared", None, "info")
    if unit.scales and group.singleton:
        yield Problem((*path, "singleton"), "a singleton that scales is none")


# --- one group -------------------------------------------------------------------------------------------


def _group_file(facts: Facts, unit: Unit) -> str:
    return _documents(group_objects(facts, unit))


def group_objects(facts: Facts, unit: Unit) -> list[dict[str, Any]]:
    """The workload comes first."""
    objects = [_workload(facts, unit), _disruption(facts, unit)]
    if unit.group.singleton or _asks_view(facts, unit):
        objects.append(_headless(facts, unit))
    if unit.scales and facts.options.scaler != "none":
        objects.append(scaled_object(facts, unit))
    return objects


def _labels(facts: Facts, unit: Unit) -> dict[str, str]:
    return {NAME: full_name(facts, unit), _PART_OF: facts.slug}


def _workload(facts: Facts, unit: Unit) -> dict[str, Any]:
    rollout = facts.fleet.rollout
    template = {
        "metadata": {
            "labels": _labels(facts, unit),
            "annotations": {"fleet-workers/revision": unit.revision},
        },
        "spec": pod(facts, unit),
    }
    selector = {"matchLabels": {NAME: full_name(facts, unit)}}
    if unit.group.singleton:
        # A Deployment with Recreate starts a second one when a node is lost; a StatefulSet waits.
        spec: dict[str, Any] = {
            "replicas": 1,
            "serviceName": full_name(facts, unit),
            "selector": selector,
            "template": template,
        }
        kind = "StatefulSet"
    else:
        spec = {} if unit.scales and facts.options.scaler != "none" else {"replicas": unit.fewest}
        spec |= {
            "minReadySeconds": round(rollout.min_ready.total_seconds()),
            "progressDeadlineSeconds": max(
                round(rollout.progress_deadline.total_seconds()), round(rollout.min_ready.total_seconds()) + 1
            ),
            "revisionHistoryLimit": 5,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable},
            },
            "selector": selector,
            "template": template,
        }
        kind = "Deployment"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": full_name(facts, unit), "labels": _labels(facts, unit)},
        "spec": spec,
    }


def _asks_view(facts: Facts, unit: Unit) -> bool:
    return unit.scales and facts.options.scaler == "view"


def _headless(facts: Facts, unit: Unit) -> dict[str, Any]:
    """What a StatefulSet has to name, and where `fleet view` finds each pod, those that only start included."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": full_name(facts, unit), "labels": _labels(facts, unit)},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {NAME: full_name(facts, unit)},
            "ports": [{"name": "probes", "port": PORT}],
        },
    }


def _disruption(facts: Facts, unit: Unit) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": full_name(facts, unit), "labels": _labels(facts, unit)},
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {NAME: full_name(facts, unit)}},
        },
    }


def _secrets(facts: Facts) -> Iterator[dict[str, Any]]:
    if facts.variables:
        wanted = {each.name: "" for each in facts.variables}
        comments = {
            each.name: f"left out: {each.default or 'empty'}"
            for each in facts.variables
            if each.default is not None
        }
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{facts.slug}-variables"},
            "stringData": Commented(wanted, comments),
        }
    for secret, key, path in facts.secret_files:
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret},
            "stringData": Commented({key: ""}, {key: f"the content of {path}"}),
        }
