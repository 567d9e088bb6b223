"""FLT715, FLT716, FLT719: the file against another engine: `export`, `plan --against`, `validate --node-…`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fleet.config.model import Fleet
from fleet.diagnostics import Severity
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import on_request


class Obstacle(Protocol):
    """What the engine has no word for."""

    @property
    def path(self) -> KeyPath: ...
    @property
    def text(self) -> str: ...
    @property
    def help(self) -> str | None: ...
    @property
    def severity(self) -> Severity: ...


@on_request("FLT715", "not-exportable", "error")
def not_exportable(_fleet: Fleet, obstacle: Obstacle) -> Iterator[Finding]:
    """The engine of `fleet export` has no word for it, or it is a secret.

    Each key is either said in the engine's own words, refused (an error), or left out with a reason (a warning
    or an info). `--strict` makes `fleet export` exit 1 for errors and warnings. Only `fleet export` finds this.

    Bad, for `fleet export kubernetes`:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        max_memory = "512MiB"
    """
    yield Finding(obstacle.path, obstacle.text, help=obstacle.help, severity=obstacle.severity)


class ClusterDifference(Protocol):
    """One key of the cluster that is not as the file says."""

    @property
    def path(self) -> KeyPath: ...
    @property
    def text(self) -> str: ...


@on_request("FLT716", "cluster-drifted", "warning")
def cluster_drifted(_fleet: Fleet, difference: ClusterDifference) -> Iterator[Finding]:
    """The cluster is not as the file says (`fleet plan --against`).

    Somebody has changed it by hand (`kubectl scale`, `kubectl edit`), or what was exported last has not been
    applied. Compared are the keys that `fleet export kubernetes` writes, not what Kubernetes adds. Only
    `fleet plan --against` finds this.

    Bad, while the cluster runs three:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        replicas = 5

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        replicas = 3
    """
    yield Finding(
        difference.path,
        difference.text,
        help="to bring the cluster to the file: `fleet export kubernetes -o DIR`, then `kubectl apply -k DIR`",
    )


@on_request("FLT719", "larger-than-a-node", "error")
def larger_than_a_node(_fleet: Fleet, obstacle: Obstacle) -> Iterator[Finding]:
    """One worker requests more than a node has (`validate --node-cpus --node-memory`).

    Such a pod is never placed: it stays pending, and a rollout waits for it until its deadline. Compared is what
    `fleet export` requests: for prefork a CPU for each process and memory for all of them, else a quarter of a CPU
    and `max_memory`. A group without `max_memory` has no request for memory to compare. Nodes keep some of what
    they have for themselves: state what is *allocatable*. Only these two options find this.

    Bad, with --node-cpus 4:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        replicas = 2
    """
    yield Finding(obstacle.path, obstacle.text, help=obstacle.help, severity=obstacle.severity)
