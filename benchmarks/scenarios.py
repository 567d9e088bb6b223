"""The scenarios by name: who takes part, and how one run of one contender goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import control, lineup, runs, scaling, scaling_runs, startup
from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.lineup import QUICK
from benchmarks.scaling import QUICK_CELLS


@dataclass(frozen=True)
class Scenario:
    """`run` gets whether it is a quick one."""

    name: str
    contenders: Sequence[Contender]
    run: Callable[[Contender, Brokers, bool], runs.Numbers]

    def chosen(self, quick: bool) -> list[Contender]:
        return [each for each in self.contenders if not quick or each.key in QUICK | QUICK_CELLS]


_ALL = [
    Scenario(
        "throughput",
        lineup.THROUGHPUT,
        lambda one, brokers, quick: runs.throughput(one, brokers, 1.0 if quick else 4.0),
    ),
    Scenario(
        "celery-app",
        lineup.CELERY_APP,
        lambda one, brokers, quick: runs.throughput(one, brokers, 1.0 if quick else 4.0),
    ),
    Scenario(
        "io",
        lineup.IO,
        lambda one, brokers, quick: runs.io(one, brokers, 1000 if quick else 5000, 0.1),
    ),
    Scenario(
        "latency",
        lineup.LATENCY,
        lambda one, brokers, quick: runs.latency(one, brokers, 30 if quick else 200),
    ),
    Scenario(
        "publish",
        lineup.PUBLISH,
        lambda one, brokers, quick: runs.publish(one, brokers, 0.3 if quick else 2.0),
    ),
    Scenario(
        "idle",
        lineup.IDLE,
        lambda one, brokers, quick: runs.idle(one, brokers, 2.0 if quick else 10.0),
    ),
    Scenario(
        "fairness",
        lineup.FAIRNESS,
        lambda one, brokers, quick: runs.fairness(one, brokers, 600 if quick else 4200),
    ),
    Scenario("start", lineup.START, lambda one, brokers, _: startup.start(one, brokers)),
    Scenario(
        "control",
        lineup.CONTROL,
        lambda one, brokers, quick: control.control(one, brokers, 3 if quick else 15),
    ),
    Scenario(
        "replicas",
        scaling.REPLICAS,
        lambda one, brokers, quick: scaling_runs.replicas(one, brokers, 1.0 if quick else 4.0),
    ),
    Scenario(
        "green",
        scaling.GREEN,
        lambda one, brokers, quick: scaling_runs.slots(one, brokers, 0.5 if quick else 4.0),
    ),
    Scenario(
        "prefork",
        scaling.PREFORK,
        lambda one, brokers, quick: scaling_runs.forks(one, brokers, 1.0 if quick else 4.0),
    ),
    Scenario(
        "backlog",
        scaling.BACKLOG,
        lambda one, brokers, quick: scaling_runs.backlog(one, brokers, 1 if quick else None),
    ),
    Scenario("million", scaling.MILLION, scaling_runs.million),
]
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
