"""Pods on Kubernetes: of a group's workers, of `fleet view`, and of a Job that sends one run."""

from __future__ import annotations

from typing import Any

from fleet.export.facts import APP, PORT, Facts, Unit, mebibytes, sends_by_clock

NAME = "app.kubernetes.io/name"


def full_name(facts: Facts, unit: Unit) -> str:
    return f"{facts.slug}-{unit.slug}"


def config_map(facts: Facts) -> str:
    return f"{facts.slug}-config"


def view_sends(facts: Facts) -> bool:
    return facts.options.schedules == "view" and sends_by_clock(facts.fleet)


def pod(facts: Facts, unit: Unit | None) -> dict[str, Any]:
    """Of a group's workers; without one of `fleet view`."""
    container = _container(facts, unit)
    name = full_name(facts, unit) if unit else f"{facts.slug}-view"
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
                "labelSelector": {"matchLabels": {NAME: name}},
            }
        ],
        "containers": [container],
        "volumes": _volumes(facts),
    }
    labels = unit.group.on if unit else ()
    if labels:
        spec["nodeSelector"] = {f"fleet-workers/{label}": "true" for label in labels}
    return spec


def job_pod(facts: Facts) -> dict[str, Any]:
    """Of a process that ends: nobody probes it, and it may run wherever there is room."""
    made = pod(facts, None)
    del made["topologySpreadConstraints"]
    [container] = made["containers"]
    kept = ("image", "args", "env", "envFrom", "resources", "securityContext", "volumeMounts")
    own = {key: value for key, value in container.items() if key in kept}
    own["env"] = [each for each in own["env"] if each["name"] == "FLEET_FILE"]
    made["containers"] = [{"name": "schedule", **own}]
    return made


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
    unwanted = ["--no-schedules"] if sends_by_clock(facts.fleet) and not view_sends(facts) else []
    return ["fleet", "view", *unwanted]


def _view_resources(facts: Facts) -> dict[str, Any]:
    """More where it loads the app: a Celery app knows its schedules itself."""
    if view_sends(facts) and facts.fleet.project.beat and facts.fleet.project.has_celery_app:
        least, most = 256, max(512, mebibytes(facts.options.memory or 0))
    elif view_sends(facts):
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
        {"name": "config", "configMap": {"name": config_map(facts)}},
        {"name": "tmp", "emptyDir": {}},
    ]
    volumes += [
        {"name": secret, "secret": {"secretName": secret, "defaultMode": 0o440}}
        for secret, _, _ in facts.secret_files
    ]
    return volumes
