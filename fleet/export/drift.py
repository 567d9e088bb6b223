"""The drift of a cluster from what fleet.toml says, key by key: changed by hand, or not applied yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from fleet.export.facts import Facts, Unit
from fleet.export.kubernetes import group_objects
from fleet.rules.finding import KeyPath

PART_OF = "app.kubernetes.io/part-of"
KINDS = ("Deployment", "StatefulSet", "PodDisruptionBudget", "ScaledObject")
_POD = "spec.template.spec."
_CONTAINER = _POD + "containers.0."

# Where Kubernetes has what the file says, and the key that says it; of a group unless it names another table.
_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("spec.replicas", ("replicas",)),
    ("spec.minReplicaCount", ("replicas", "min")),
    ("spec.maxReplicaCount", ("replicas", "max")),
    ("spec.minReadySeconds", ("rollout", "min_ready")),
    ("spec.progressDeadlineSeconds", ("rollout", "progress_deadline")),
    ("spec.strategy.rollingUpdate.maxSurge", ("rollout", "max_surge")),
    ("spec.strategy.rollingUpdate.maxUnavailable", ("rollout", "max_unavailable")),
    (_POD + "terminationGracePeriodSeconds", ("grace_period",)),
    (_POD + "securityContext.runAsUser", ("user",)),
    (_POD + "nodeSelector", ("on",)),
    (_CONTAINER + "resources.requests.cpu", ("concurrency",)),
    (_CONTAINER + "resources.requests.memory", ("max_memory",)),
    (_CONTAINER + "resources.limits.memory", ("max_memory",)),
    (_CONTAINER + "env", ("env",)),
    (_CONTAINER + "command", ()),
    (_CONTAINER + "args", ()),
    ("spec.template.metadata.annotations.fleet-workers/revision", ()),
    ("spec.maxUnavailable", ()),
)
_QUANTITY = re.compile(r"([0-9.]+)(m|Ki|Mi|Gi|Ti|k|M|G|T)?")
_UNITS: dict[str, str | int] = {
    "m": "0.001",
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}


class Drift(NamedTuple):
    """`path` is the key in fleet.toml, `where` the key in the cluster."""

    path: KeyPath
    where: str
    says: Any
    live: Any

    @property
    def text(self) -> str:
        if self.live is None:
            return f"{self.where} is not in the cluster"
        if self.says is None:
            return f"{self.where} is in the cluster, and not in the file"
        return f"{self.where} is {_shown(self.live)} in the cluster, {_shown(self.says)} by the file"


def drift(facts: Facts, live: Iterable[Mapping[str, Any]]) -> list[Drift]:
    """`live` are objects as `kubectl get -o json` gives them; those of other kinds or fleets are passed over."""
    mine = {
        (str(each.get("kind")), _name(each)): each
        for each in live
        if each.get("kind") in KINDS and _labels(each).get(PART_OF, facts.slug) == facts.slug
    }
    known = {f"{facts.slug}-{unit.slug}" for unit in facts.units}
    mine = {key: each for key, each in mine.items() if PART_OF in _labels(each) or key[1] in known}
    found: list[Drift] = []
    for unit in facts.units:
        for wanted in group_objects(facts, unit):
            if wanted["kind"] in KINDS:
                there = mine.pop((wanted["kind"], _name(wanted)), None)
                found += _of_object(facts, unit, wanted, there)
    left = sorted(key for key in mine if key[1] != f"{facts.slug}-view")
    found += [Drift(("workers",), f"{kind} {name}", None, True) for kind, name in left]
    return found


def _of_object(
    facts: Facts, unit: Unit, wanted: Mapping[str, Any], there: Mapping[str, Any] | None
) -> Iterator[Drift]:
    label = f"{wanted['kind']} {_name(wanted)}"
    key: tuple[str, ...]
    if there is None:
        key = ("singleton",) if wanted["kind"] == "StatefulSet" else ()
        yield Drift(("workers", unit.name, *key), label, True, None)
        return
    for where, key in _KEYS:
        says, is_live = _at(wanted, where.split(".")), _at(there, where.split("."))
        if says is None and (is_live is None or where == "spec.replicas"):
            continue  # the scaler's
        if _normal(where, says) != _normal(where, is_live):
            path: KeyPath = key if key[:1] == ("rollout",) else ("workers", unit.name, *key)
            yield Drift(path, f"{label}: {where}", says if says is not None else "unset", is_live or "unset")


def _at(value: Any, keys: Sequence[str]) -> Any:
    """The value below `keys`; a key may have a dot in its name."""
    for place, key in enumerate(keys):
        if isinstance(value, Mapping):
            if ".".join(keys[place:]) in value:
                return value[".".join(keys[place:])]
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _normal(where: str, value: Any) -> Any:
    """In a form in which equal means equal: 0.25 CPUs are 250m, and the order of variables is nobody's."""
    if where.endswith(".env"):
        own = [each for each in value or () if not str(each.get("name")).startswith("FLEET_")]
        return sorted((str(each["name"]), str(each.get("value", ""))) for each in own)
    if ".resources." in where and value is not None:
        return _quantity(str(value))
    return str(value) if isinstance(value, int | str) else value


def _quantity(text: str) -> Decimal | str:
    found = _QUANTITY.fullmatch(text)
    try:
        return Decimal(found[1]) * Decimal(_UNITS.get(found[2] or "", 1)) if found else text
    except InvalidOperation:
        return text


def _name(each: Mapping[str, Any]) -> str:
    return str((each.get("metadata") or {}).get("name", ""))


def _labels(each: Mapping[str, Any]) -> Mapping[str, str]:
    return (each.get("metadata") or {}).get("labels") or {}


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return ", ".join(str(each.get("name")) for each in value)
    return str(value)
