"""A compose.yaml, for Docker Compose and (as a stack) for Docker Swarm: a service per group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.export.facts import (
    APP,
    PORT,
    PROBE,
    STOP_MARGIN_SECONDS,
    Facts,
    Unit,
    mebibytes,
    no_memory_limit,
    notes_are_lost,
    on_one_host_only,
    sends_by_clock,
)
from fleet.export.problem import Problem
from fleet.export.yaml_text import document

_VIEW = "fleet-view"


def files(facts: Facts) -> tuple[dict[str, str], list[Problem]]:
    """By relative path, and what could not be said in them."""
    whole: dict[str, Any] = {
        "name": facts.slug,
        "services": _services(facts),
        "configs": {"fleet": {"file": "./fleet.toml"}},
    }
    if secrets := facts.secret_files:
        whole["secrets"] = {name: {"file": f"./{name}.secret"} for name, _, _ in secrets}
    text = document(
        whole,
        "Written by `fleet export compose`. Up: `docker compose up -d`; as a stack of a Swarm:\n"
        f"`docker stack deploy -c compose.yaml {facts.slug}`. Variables come from the shell, or .env beside this file.",
    )
    return {"compose.yaml": text, "fleet.toml": facts.text}, [*facts.problems, *_problems(facts)]


def _services(facts: Facts) -> dict[str, Any]:
    made = {unit.slug: _service(facts, unit) for unit in facts.units}
    if sends_by_clock(facts.fleet):
        made[_VIEW] = _scheduler(facts)
    return made


def _problems(facts: Facts) -> Iterator[Problem]:
    yield from on_one_host_only(facts)
    yield from notes_are_lost(facts)
    for unit in facts.units:
        yield from no_memory_limit(unit)
        path = ("workers", unit.name)
        if unit.scales:
            yield Problem(
                (*path, "replicas"),
                f"nothing scales here: there are always {unit.fewest}",
                "`docker service scale`, or `fleet export kubernetes`",
                "warning",
            )
        if unit.group.singleton:
            yield Problem(
                (*path, "singleton"),
                "the old one is stopped first, but a host that is cut off goes on beside its successor",
                None,
                "warning",
            )
        if unit.group.nice:
            yield Problem((*path, "nice"), "services have CPU shares instead of niceness", None, "warning")


def _service(facts: Facts, unit: Unit) -> dict[str, Any]:
    service = {
        "image": facts.options.image,
        "command": [*facts.command, unit.name, *facts.arguments],
        "environment": _environment(facts, unit.environment),
        **_locked_up(facts, unit.stop_seconds),
        "deploy": _deploy(facts, unit),
    }
    if unit.group.user is not None:
        service["user"] = unit.group.user
    return service


def _scheduler(facts: Facts) -> dict[str, Any]:
    """`fleet view`, for its scheduler; a second one beside it, as in an update, does no harm."""
    return {
        "image": facts.options.image,
        "command": ["fleet", "view", *facts.arguments],
        "environment": _environment(facts, {}),
        **_locked_up(facts, STOP_MARGIN_SECONDS),
        "deploy": {"replicas": 1, "restart_policy": {"condition": "any", "delay": "1s"}},
    }


def _locked_up(facts: Facts, stop_seconds: int) -> dict[str, Any]:
    """What all services have alike."""
    made: dict[str, Any] = {
        "configs": [{"source": "fleet", "target": f"{APP}/fleet.toml"}],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "stop_grace_period": f"{stop_seconds}s",
        "healthcheck": {
            # Not `fleet status`: while the broker is away that would replace every worker.
            "test": ["CMD", "python", "-c", PROBE],
            "interval": "10s",
            "timeout": "6s",
            "retries": 6,
            "start_period": "60s",
        },
        "restart": "unless-stopped",
    }
    if secrets := facts.secret_files:
        made["secrets"] = [{"source": name, "target": path} for name, _, path in secrets]
    return made


def _environment(facts: Facts, own: dict[str, str]) -> dict[str, str]:
    variables = {
        each.name: f"${{{each.name}:?set it in .env}}" if each.default is None else f"${{{each.name}:-}}"
        for each in facts.variables
    }
    plain = {key: value.replace("$", "$$") for key, value in own.items()}
    return {"FLEET_FILE": f"{APP}/fleet.toml", "FLEET_LISTEN": f":{PORT}", **variables, **plain}


def _deploy(facts: Facts, unit: Unit) -> dict[str, Any]:
    rollout = facts.fleet.rollout
    surge = 0 if unit.group.singleton else rollout.max_surge
    order = "start-first" if surge else "stop-first"
    parallelism = max(1, rollout.max_unavailable, surge)
    deploy: dict[str, Any] = {
        "replicas": unit.fewest,
        "update_config": {
            "parallelism": parallelism,
            "order": order,
            "delay": f"{round(rollout.min_ready.total_seconds())}s",
            "monitor": f"{round(rollout.progress_deadline.total_seconds())}s",
            "failure_action": rollout.on_failure,
        },
        "rollback_config": {"parallelism": parallelism, "order": order},
        "restart_policy": {"condition": "any", "delay": "1s"},
        "resources": _resources(unit),
    }
    if labels := unit.group.on:
        deploy["placement"] = {"constraints": [f"node.labels.{label} == true" for label in labels]}
    return deploy


def _resources(unit: Unit) -> dict[str, Any]:
    cpus = f"{unit.millicpus / 1000:g}"
    if unit.memory_request is None or unit.memory_limit is None:
        return {"reservations": {"cpus": cpus}}
    return {
        "reservations": {"cpus": cpus, "memory": f"{mebibytes(unit.memory_request)}M"},
        "limits": {"memory": f"{mebibytes(unit.memory_limit)}M"},
    }
