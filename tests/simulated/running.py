"""Many schedules of one broker: the first breach is shrunk, and told with the command that replays it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module

from fleet.broker import import_ahead as ahead
from tests.simulated import known_faults
from tests.simulated.choices import Choices, to_text
from tests.simulated.clock import FakeTime, installed
from tests.simulated.schedule import MakeBackend, Verdict, run_schedule
from tests.simulated.shrinking import shrink

BACKENDS = {
    "rabbitmq": ("tests.simulated.rabbit:RabbitBackend", "amqp"),
    "redis": ("tests.simulated.redis_backend:RedisBackend", "redis"),
    "sqlite": ("tests.simulated.sqlite_backend:SqliteBackend", "sqlite"),
}


def backend(name: str) -> MakeBackend:
    """Everything that a schedule of it needs is imported then: time is only installed in what is there."""
    place, family = BACKENDS[name]
    ahead.import_for(family, publishes=False)
    module, _, attribute = place.partition(":")
    made: MakeBackend = getattr(import_module(module), attribute)
    return made


@contextmanager
def stage() -> Iterator[FakeTime]:
    with installed() as time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # py-amqp's, about how kombu uses it
        yield time


def first_breach(name: str, seeds: Iterable[int], *, shrinks: bool = True) -> str | None:
    """What a person has to know about it; None if all is well."""
    make = backend(name)
    with stage() as time:
        for seed in seeds:
            verdict = run_schedule(make, Choices(seed), time)
            if breaches := known_faults.unknown(name, verdict.breaches):
                if not shrinks:
                    return "; ".join(breaches)
                return _story(name, seed, make, time, verdict._replace(breaches=breaches))
    return None


def breaches_of(name: str, given: dict[int, int]) -> Verdict:
    make = backend(name)
    with stage() as time:
        return run_schedule(make, Choices(given=given), time)


def _story(name: str, seed: int, make: MakeBackend, time: FakeTime, verdict: Verdict) -> str:
    kinds = {_kind(breach) for breach in verdict.breaches}

    def fails(taken: dict[int, int]) -> bool:
        again = run_schedule(make, Choices(given=taken), time).breaches
        return bool(kinds & {_kind(breach) for breach in known_faults.unknown(name, again)})

    small = shrink(verdict.taken, fails)
    told = run_schedule(make, Choices(given=small), time)
    lines = [
        f"{name}, seed {seed}: {'; '.join(verdict.breaches)}",
        "",
        f"shrunk from {len(verdict.taken)} draws to {len(small)}:",
        *(f"  {line}" for line in told.told),
        *(f"  → {breach}" for breach in told.breaches),
        "",
        f"again:   pytest -n 0 tests/simulated -k replayed --replay '{name}:{to_text(small)}'",
        f"whole:   pytest -n 0 tests/simulated -k '{name} and schedules' --seed {seed} --schedules 1",
    ]
    return "\n".join(lines)


def _kind(breach: str) -> str:
    return breach.partition(":")[0]
