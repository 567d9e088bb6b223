"""A node of a cluster, and the groups of which not even one worker fits on it, by what `fleet export` requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleet.config.model import Fleet, format_size
from fleet.export.facts import Options, gather, mebibytes
from fleet.export.problem import Problem


class Node(NamedTuple):
    """What a node grants to pods; memory in bytes. None: not asked about."""

    cpus: int | None = None
    memory: int | None = None


def too_large(fleet: Fleet, node: Node) -> Iterator[Problem]:
    for unit in gather(fleet, "", Options()).units:
        if node.cpus is not None and unit.millicpus > 1000 * node.cpus:
            yield Problem(
                ("workers", unit.name, "concurrency"),
                f'group "{unit.name}": a worker requests {unit.millicpus / 1000:g} CPUs, a node has {node.cpus}',
                "lower `concurrency` and have more `replicas`: a worker can't be spread over nodes",
            )
        request = unit.memory_request
        if node.memory is not None and request is not None and request > node.memory:
            there = format_size(node.memory)
            yield Problem(
                ("workers", unit.name, "max_memory"),
                f'group "{unit.name}": a worker requests {mebibytes(request)}MiB, a node has {there}',
                "lower `max_memory`, or `concurrency` and have more `replicas`",
            )
