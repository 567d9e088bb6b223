"""The files under tests/rules: what they are checked against, and what they must give.

A bad.toml ends with its findings, one `#! CODE severity LINE:COLUMN-LINE:COLUMN message` each, in order.
After a wanted change of the messages, `python -m tests.unit.rules.fixtures` writes them anew: read the diff.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from fleet.advice.evidence import GroupEvidence, TaskEvidence
from fleet.broker.preflight import Objection
from fleet.config.load import Loaded, check
from fleet.config.model import Fleet
from fleet.config.source import from_bytes
from fleet.config.units import parse_size
from fleet.export import kubernetes
from fleet.export.facts import Options, gather
from fleet.export.node import Node, too_large
from fleet.histogram import BUCKETS, bucket
from fleet.machine import Amount, Machine
from fleet.rules.app import AppFailure, AppTask, app_not_importable, routes_do_not_fit_app
from fleet.rules.app_pools import async_task_on_green_pool, plain_function_on_asyncio
from fleet.rules.celery import (
    CelerySettings,
    celery_setting_without_effect,
    celery_tasks_acknowledged_early,
)
from fleet.rules.connect import broker_would_refuse
from fleet.rules.exporting import cluster_drifted, larger_than_a_node, not_exportable
from fleet.rules.finding import Finding
from fleet.rules.not_as_measured import not_as_measured
from fleet.rules.schedules.sending import RunTime, schedule_faster_than_its_task

FOLDER = Path(__file__).parents[2] / "rules"
CODES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
EXPECTATION = "#! FLT"


def a_machine(
    *, modules: frozenset[str] = frozenset({"gevent", "eventlet", "redis", "packaging"})
) -> Machine:
    """8 CPUs, 16 GiB."""
    return Machine(Amount(8), Amount(16 * 2**30), Amount(65536), visible_cpus=8, modules=modules)


def examine(path: Path) -> Loaded:
    text = path.read_text(encoding="utf-8")
    for mode, name in re.findall(r"^#! mode: (\d+) (\S+)$", text, re.MULTILINE):
        (path.parent / name).chmod(int(mode, 8))  # git keeps no modes
    return examine_text(text, path)


def examine_text(text: str, path: Path) -> Loaded:
    machine = a_machine()
    if "#! machine: no gevent" in text:
        machine = a_machine(modules=frozenset({"eventlet"}))
    if "#! machine: no redis" in text:
        machine = a_machine(modules=frozenset({"gevent", "eventlet"}))
    if quota := re.search(r"^#! machine: quota (\d+) of (\d+)$", text, re.MULTILINE):
        machine = machine._replace(
            cpus=Amount(int(quota[1]), f"cgroup quota {quota[1]}"), visible_cpus=int(quota[2])
        )
    source = from_bytes(body(text).encode(), path)
    return check(source, environ={"HOME": "/home/shop"}, machine=machine, ask=partial(ask, text))


def ask(text: str, fleet: Fleet) -> Iterator[Finding]:
    """What lines of the file say that the app and the broker answered: `#! [async ]task NAME [QUEUE]`,

    `#! app fails: REASON`, `#! broker refuses QUEUE ARGUMENT: WHY`, `#! broker fails: WHY`,
    `#! export kubernetes`, `#! cluster KEY: WHY`, `#! node CPUS MEMORY`, `#! celery SETTING = JSON`,
    `#! celery bootstep NAME`, `#! celery early NAME`, `#! took SCHEDULE SECONDS`,
    `#! measured GROUP QUEUE TASK: RUNS x SECONDS, CPU SECONDS each`.
    """
    lines = re.findall(r"^#! (async )?task (\S+) ?(\S*)$", text, re.MULTILINE)
    if tasks := [AppTask(name, own or None, "shop.py:7", bool(word)) for word, name, own in lines]:
        yield from routes_do_not_fit_app(fleet, tasks)
        yield from async_task_on_green_pool(fleet, tasks)
        yield from plain_function_on_asyncio(fleet, tasks)
    settings = re.findall(r"^#! celery (\w+) = (.+)$", text, re.MULTILINE)
    steps = re.findall(r"^#! celery bootstep (\S+)$", text, re.MULTILINE)
    if settings or steps:
        values = {name: json.loads(value) for name, value in settings}
        app = CelerySettings(fleet.project.app[0], values, tuple(steps))
        yield from celery_setting_without_effect(fleet, app)
    yield from celery_tasks_acknowledged_early(
        fleet, re.findall(r"^#! celery early (\S+)$", text, re.MULTILINE)
    )
    for reason in re.findall(r"^#! app fails: (.+)$", text, re.MULTILINE):
        yield from app_not_importable(
            fleet, AppFailure(0, fleet.project.app[0], reason, "shop.py:7", ("hello",))
        )
    for queue, argument, why in re.findall(r"^#! broker refuses (\S+) (\S+): (.+)$", text, re.MULTILINE):
        yield from broker_would_refuse(fleet, Objection(why, queue=queue, argument=argument))
    for name, took, count in re.findall(r"^#! took (\S+) (\S+)(?: in (\d+) runs)?$", text, re.MULTILINE):
        yield from schedule_faster_than_its_task(fleet, {name: RunTime(int(count or 1), float(took))})
    for group, queue, task, *numbers in re.findall(
        r"^#! measured (\S+) (\S+) (\S+): (\d+) x (\S+) s, CPU (\S+) s each$", text, re.MULTILINE
    ):
        runs, wall, cpu = map(float, numbers)
        counts = [0.0] * BUCKETS
        counts[bucket(wall)] = runs
        done = TaskEvidence(queue, task, int(runs), runs * wall, runs * cpu, counts, counts)
        slots = fleet.workers[group].concurrency
        assert isinstance(slots, int)
        evidence = GroupEvidence(group, fleet.workers[group].pool, slots, (done,), 8, 0.0)
        yield from not_as_measured(fleet, a_machine(), {group: evidence})
    for why in re.findall(r"^#! broker fails: (.+)$", text, re.MULTILINE):
        yield from broker_would_refuse(fleet, Objection(why))
    if "#! export kubernetes" in text:
        for problem in kubernetes.files(gather(fleet, text, Options()))[1]:
            yield from not_exportable(fleet, problem)
    for cpus, size in re.findall(r"^#! node (\d+) (\S+)$", text, re.MULTILINE):
        for problem in too_large(fleet, Node(int(cpus), parse_size(size))):
            yield from larger_than_a_node(fleet, problem)
    for path, why in re.findall(r"^#! cluster (\S+): (.+)$", text, re.MULTILINE):
        yield from cluster_drifted(fleet, SimpleNamespace(path=tuple(path.split(".")), text=why))


def expected(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(EXPECTATION)]


def found(path: Path) -> list[str]:
    """In the words of the expectation lines."""
    return [
        f"#! {each.code} {each.severity} {each.span.line}:{each.span.column}"
        f"-{each.span.end_line}:{each.span.end_column} {each.message}"
        for each in examine(path).diagnostics
    ]


def body(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(EXPECTATION))


def _write_anew() -> None:
    for code in CODES:
        path = FOLDER / code / "bad.toml"
        text = body(path.read_text(encoding="utf-8")).rstrip("\n")
        path.write_text("\n".join([text, "", *found(path), ""]), encoding="utf-8")


if __name__ == "__main__":
    _write_anew()
