"""A kustomize base: a file per group, fleet.toml as a ConfigMap whose hash rolls the pods, secrets as an example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.export.autoscaling import scaled_object, view_objects
from fleet.export.cronjobs import cron_jobs, cron_problems
from fleet.export.facts import (
    APP,
    PORT,
    Facts,
    Unit,
    has_celery_app,
    mebibytes,
    no_memory_limit,
    notes_are_lost,
    on_one_host_only,
    sends_by_clock,
    sent_by_nobody,
)
from fleet.export.problem import Problem
from fleet.export.yaml_text import Commented, document

Files = dict[str, str]
"""Relative path → text."""

_PART_OF = "app.kubernetes.io/part-of"
_NAME = "app.kubernetes.io/name"


def files(facts: Facts) -> tuple[Files, list[Problem]]:
    """By relative path, and what could not be said in them."""
    problems = [*facts.problems, *_problems(facts)]
    made = {f"{unit.slug}.yaml": _group_file(facts, unit) for unit in facts.units}
    if has_view(facts):
        made["fleet-view.yaml"] = _documents(view_objects(facts, _pod(facts, None)))
    if facts.options.schedules == "cronjob" and (jobs := cron_jobs(facts, _job_pod(facts))):
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
            "configMapGenerator": [{"name": _config(facts), "files": ["fleet.toml"]}],
            "labels": [{"pairs": {_PART_OF: facts.slug}}],
        },
        "Written by `fleet export kubernetes`; its `--check` tells in CI when it is stale.",
    )
    return dict(sorted(made.items())), problems


def has_view(facts: Facts) -> bool:
    """Whether there is a `fleet view`: for a scaler that asks it, or for what is sent by the clock."""
    scales = facts.options.scaler == "view" and any(unit.scales for unit in facts.units)
    return scales or _view_sends(facts)


def _view_sends(facts: Facts) -> bool:
    return facts.options.schedules == "view" and sends_by_clock(facts.fleet)


def _config(facts: Facts) -> str:
    return f"{facts.slug}-config"


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


def _full(facts: Facts, unit: Unit) -> str:
    return f"{facts.slug}-{unit.slug}"


def _labels(facts: Facts, unit: Unit) -> dict[str, str]:
    return {_NAME: _full(facts, unit), _PART_OF: facts.slug}


def _workload(facts: Facts, unit: Unit) -> dict[str, Any]:
    rollout = facts.fleet.rollout
    template = {
        "metadata": {
            "labels": _labels(facts, unit),
            "annotations": {"fleet-workers/revision": unit.revision},
        },
        "spec": _pod(facts, unit),
    }
    selector = {"matchLabels": {_NAME: _full(facts, unit)}}
    if unit.group.singleton:
        # A Deployment with Recreate starts a second one when a node is lost; a StatefulSet waits.
        spec: dict[str, Any] = {
            "replicas": 1,
            "serviceName": _full(facts, unit),
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
        "metadata": {"name": _full(facts, unit), "labels": _labels(facts, unit)},
        "spec": spec,
    }


def _asks_view(facts: Facts, unit: Unit) -> bool:
    return unit.scales and facts.options.scaler == "view"


def _headless(facts: Facts, unit: Unit) -> dict[str, Any]:
    """What a StatefulSet has to name, and where `fleet view` finds each pod, those that only start included."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _full(facts, unit), "labels": _labels(facts, unit)},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {_NAME: _full(facts, unit)},
            "ports": [{"name": "probes", "port": PORT}],
        },
    }


def _disruption(facts: Facts, unit: Unit) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": _full(facts, unit), "labels": _labels(facts, unit)},
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {_NAME: _full(facts, unit)}},
        },
    }


def _pod(facts: Facts, unit: Unit | None) -> dict[str, Any]:
    """Of a group's workers; without one of `fleet view`."""
    container = _container(facts, unit)
    name = _full(facts, unit) if unit else f"{facts.slug}-view"
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if unit and unit.group.user and unit.group.user.isdecimal():
        security["runAsUser"] = int(unit.group.user)
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": unit.stop_seconds if unit else 10,
        "securityContext": security,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {_NAME: name}},
            }
        ],
        "containers": [container],
        "volumes": _volumes(facts),
    }
    labels = unit.group.on if unit else ()
    if labels:
        spec["nodeSelector"] = {f"fleet-workers/{label}": "true" for label in labels}
    return spec


def _job_pod(facts: Facts) -> dict[str, Any]:
    """Of a process that ends: nobody probes it, and it may run wherever there is room."""
    pod = _pod(facts, None)
    del pod["topologySpreadConstraints"]
    [container] = pod["containers"]
    kept = ("image", "args", "env", "envFrom", "resources", "securityContext", "volumeMounts")
    own = {key: value for key, value in container.items() if key in kept}
    own["env"] = [each for each in own["env"] if each["name"] == "FLEET_FILE"]
    pod["containers"] = [{"name": "schedule", **own}]
    return pod


def _container(facts: Facts, unit: Unit | None) -> dict[str, Any]:
    command = [*facts.command, unit.name] if unit else _view_command(facts)
    container: dict[str, Any] = {
        "name": "worker" if unit else "view",
        "image": facts.options.image,
        "command": command,
    }
    if facts.arguments:
        container["args"] = facts.arguments
    container["env"] = [
        {"name": "FLEET_FILE", "value": f"{APP}/fleet.toml"},
        {"name": "FLEET_LISTEN", "value": f":{PORT}"},
        {"name": "FLEET_INSTANCE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        *({"name": key, "value": value} for key, value in (unit.environment if unit else {}).items()),
    ]
    if facts.needs_secret:
        container["envFrom"] = [{"secretRef": {"name": f"{facts.slug}-variables"}}]
    container["ports"] = [{"name": "probes", "containerPort": PORT}]
    container["resources"] = _resources(unit) if unit else _view_resources(facts)
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # /live does not ask the broker: an outage there must not replace workers.
    container["startupProbe"] = _probe("/live", period=1, failures=120)
    container["livenessProbe"] = _probe("/live", period=10, failures=6)
    container["readinessProbe"] = _probe("/ready", period=5, failures=2)
    container["volumeMounts"] = _mounts(facts)
    return container


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "probes"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _view_command(facts: Facts) -> list[str]:
    unwanted = ["--no-schedules"] if sends_by_clock(facts.fleet) and not _view_sends(facts) else []
    return ["fleet", "view", *unwanted]


def _view_resources(facts: Facts) -> dict[str, Any]:
    """More where it loads the app: a Celery app knows its schedules itself."""
    if _view_sends(facts) and facts.fleet.project.beat and has_celery_app(facts.fleet):
        least, most = 256, max(512, mebibytes(facts.options.memory or 0))
    elif _view_sends(facts):
        least, most = 128, 256
    else:
        least, most = 96, 192
    return {"requests": {"cpu": "50m", "memory": f"{least}Mi"}, "limits": {"memory": f"{most}Mi"}}


def _resources(unit: Unit) -> dict[str, Any]:
    """No CPU limit: it slows a process down that could have had an idle CPU."""
    cpu = f"{unit.millicpus}m" if unit.millicpus % 1000 else str(unit.millicpus // 1000)
    made: dict[str, Any] = {"requests": {"cpu": cpu}}
    if unit.memory_request is not None and unit.memory_limit is not None:
        made["requests"]["memory"] = f"{mebibytes(unit.memory_request)}Mi"
        made["limits"] = {"memory": f"{mebibytes(unit.memory_limit)}Mi"}
    return made


def _mounts(facts: Facts) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": f"{APP}/fleet.toml", "subPath": "fleet.toml", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    for secret, key, path in facts.secret_files:
        mounts.append({"name": secret, "mountPath": path, "subPath": key, "readOnly": True})
    return mounts


def _volumes(facts: Facts) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": _config(facts)}},
        {"name": "tmp", "emptyDir": {}},
    ]
    volumes += [
        {"name": secret, "secret": {"secretName": secret, "defaultMode": 0o440}}
        for secret, _, _ in facts.secret_files
    ]
    return volumes


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
