"""Celery's command lines in compose files and Kubernetes manifests, YAML or JSON."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fleet.takeover.celery_words import calls_in_words
from fleet.takeover.found import FileReading, FoundCommand, Left
from fleet.takeover.shell_words import expand

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class NoYamlError(Exception):
    """PyYAML is not installed."""


def read(text: str, name: str, variables: Mapping[str, str]) -> FileReading:
    """A compose file, or documents of Kubernetes. Raises NoYamlError."""
    try:
        import yaml
    except ImportError:
        raise NoYamlError from None
    reading = FileReading()
    try:
        documents = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        hint = "; of a Helm chart give what `helm template` prints" if "{{" in text else ""
        reading.left.append(Left(where, "the file", f"it is not YAML{hint}"))
        return reading
    for document in documents:
        _compose(document, name, variables, reading)
        _kubernetes(document, name, variables, reading)
    return reading


def _compose(
    document: Mapping[str, Any], name: str, variables: Mapping[str, str], reading: FileReading
) -> None:
    for service, content in _mapping(document.get("services")).items():
        if not isinstance(content, dict):
            continue
        environment = _environment(content.get("environment"))
        pattern = FoundCommand(
            (),
            f"{name}: service {service}",
            str(service),
            _count(content.get("scale", _mapping(content.get("deploy")).get("replicas"))),
            environment,
            stop_seconds=_seconds(content.get("stop_grace_period")),
        )
        words = [*_words(content.get("entrypoint")), *_words(content.get("command"))]
        found = _collect(reading, words, variables, pattern)
        if found and content.get("env_file"):
            reading.left.append(
                Left(pattern.where, "env_file", "name it as [fleet] env_file, beside fleet.toml")
            )


def _kubernetes(
    document: Mapping[str, Any], name: str, variables: Mapping[str, str], reading: FileReading
) -> None:
    kind, workload = str(document.get("kind", "")), str(_mapping(document.get("metadata")).get("name") or "")
    for item in (document.get("items") or ()) if kind == "List" else ():
        _kubernetes(_mapping(item), name, variables, reading)
    if kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        why = "replicas = { min, max, target_latency } follows the load"
        reading.left.append(Left(name, f"{kind} {workload}", why))
    spec = _mapping(document.get("spec"))
    pod = _mapping(_mapping(spec.get("template")).get("spec")) or spec
    grace = pod.get("terminationGracePeriodSeconds")
    for container in map(_mapping, pod.get("containers") or ()):
        pattern = FoundCommand(
            (),
            f"{name}: {kind} {workload}",
            workload,
            _count(spec.get("replicas")),
            _environment(container.get("env")),
            stop_seconds=float(grace) if isinstance(grace, int) else None,
        )
        words = [*_words(container.get("command")), *_words(container.get("args"))]
        if _collect(reading, words, variables, pattern) and container.get("envFrom"):
            why = "its variables have to be where `fleet up` is started"
            reading.left.append(Left(pattern.where, "envFrom", why))


def _collect(
    reading: FileReading, words: list[str], variables: Mapping[str, str], pattern: FoundCommand
) -> bool:
    """Whether the words run workers; what is found goes into `reading`."""
    known = {**variables, **{key: value for key, value in pattern.environment.items() if value}}
    try:
        calls = list(calls_in_words([expand(word, known) for word in words], known))
    except ValueError as error:
        reading.left.append(Left(pattern.where, "its command", f"it can't be read as shell: {error}"))
        return False
    for environment, call in calls:
        reading.found.append(replace(pattern, words=call, environment={**pattern.environment, **environment}))
    return any({"worker", "multi"} & set(call) for _, call in calls)


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> list[str]:
    """A command as a list, or as a text that compose splits. `$$` is `$` for compose."""
    if isinstance(value, str):
        try:
            return [word.replace("$$", "$") for word in shlex.split(value)]
        except ValueError:
            return [value]
    return [str(word).replace("$$", "$") for word in value] if isinstance(value, list) else []


def _environment(value: Any) -> dict[str, str]:
    """A mapping, a list of A=B, or a list of { name, value }. A value from elsewhere is empty."""
    if isinstance(value, dict):
        return {str(key): "" if each is None else str(each) for key, each in value.items()}
    pairs: dict[str, str] = {}
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict) and "name" in each:
            pairs[str(each["name"])] = str(each.get("value") or "")
        elif isinstance(each, str):
            key, _, text = each.partition("=")
            pairs[key] = text
    return pairs


def _seconds(value: Any) -> float | None:
    """`1m30s` of compose."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        return float(value) if isinstance(value, int) else None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
