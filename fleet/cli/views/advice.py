"""Advice as people and scripts read it: the lines to change, what was measured, what it would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.advice.evidence import GroupEvidence
from fleet.advice.group_advice import GroupAdvice, SplitAdvice
from fleet.cli.options import terminal_width
from fleet.cli.wrap import fold
from fleet.rules.not_as_measured import in_words


def lines(found: Sequence[GroupAdvice | SplitAdvice], evidence: Mapping[str, GroupEvidence]) -> Iterator[str]:
    if not found:
        yield _why_silent(evidence)
    for each in found:
        yield from fold(_of(each), terminal_width())


def _why_silent(evidence: Mapping[str, GroupEvidence]) -> str:
    enough = [name for name, each in evidence.items() if each.is_enough]
    if not enough:
        ran = sum(each.ran for each in evidence.values())
        return f"no advice: too little has run to tell ({ran:,} tasks since the settings are what they are)"
    return f"no advice: what was measured of {', '.join(enough)} goes with the file"


def _of(each: GroupAdvice | SplitAdvice) -> Iterator[str]:
    yield f"{each.group}:"
    if isinstance(each, GroupAdvice):
        yield from (f"  {line}" for line in in_words(each))
    yield f"  measured: {each.why}"
    if isinstance(each, GroupAdvice):
        yield f"  brings: {each.gain}"
        if each.sure != "yes":
            yield f"  how sure: {each.sure}; `fleet bench` measures it"


def as_json(
    found: Sequence[GroupAdvice | SplitAdvice], evidence: Mapping[str, GroupEvidence]
) -> dict[str, Any]:
    return {
        "advice": [_one_as_json(each) for each in found],
        "evidence": {name: _evidence_as_json(each) for name, each in evidence.items()},
    }


def _one_as_json(each: GroupAdvice | SplitAdvice) -> dict[str, Any]:
    if isinstance(each, SplitAdvice):
        return {"group": each.group, "kind": "split", "evidence": each.why}
    return {
        "group": each.group,
        "kind": "settings",
        "pool": each.pool,
        "concurrency": each.concurrency,
        "replicas": each.replicas,
        "prefetch": each.prefetch,
        "time_limit": each.time_limit,
        "workloads": each.workloads,
        "lines": list(in_words(each)),
        "evidence": each.why,
        "gain": each.gain,
        "sure": each.sure,
    }


def _evidence_as_json(each: GroupEvidence) -> dict[str, Any]:
    return {
        "pool": each.pool,
        "slots": each.slots,
        "enough": each.is_enough,
        "at_once": round(each.at_once, 2),
        "per_second": round(each.rate, 3),
        "waits_for_a_slot": each.waits,
        "waited_for_a_cpu": None if each.cpu_wait is None else round(each.cpu_wait, 3),
        "memory_bytes": int(each.memory),
        "tasks": [
            {
                "queue": task.queue,
                "task": task.task,
                "ran": task.ran,
                "wall_seconds": round(task.mean, 6),
                "cpu_seconds": round(task.cpu_each, 6),
                "cpu_share": round(each.share(task), 3),
                "wait_p95_seconds": round(task.waited(0.95), 3),
                "is_async": task.is_async,
            }
            for task in each.tasks
        ],
    }
