"""A short run for CI: every fault there is, once each, on every broker; pool and set-up change from day to day.

The id of a failed test has the seed: `CHAOS_SEED=… pytest tests/chaos`, or longer by `python -m tests.chaos`.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.brokers import rabbitmq_server, unavailable
from tests.chaos.brokers import BROKERS
from tests.chaos.fleet_side import CONCURRENCY
from tests.chaos.messages import Work
from tests.chaos.mix import Mix, celery_mix, run
from tests.chaos.schedule import kinds_for
from tests.chaos.setups import PLAIN, SETUPS
from tests.chaos.verdict import Verdict

pytestmark = pytest.mark.process

POOLS = tuple(CONCURRENCY)
SEED = int(os.environ.get("CHAOS_SEED") or datetime.now(UTC).toordinal())
WORK = Work(
    # So few a second that there are some left for the last faults: each takes a second or two.
    *(400, SEED, 0.01, 6.0),
    long_every=50,
    long_seconds=1.0,
    again_every=20,
    fail_every=25,
)
MIXES = [(broker, POOLS[(SEED + place) % len(POOLS)]) for place, broker in enumerate(BROKERS)]

OTHERWISE = [
    (broker, setup.name) for setup in SETUPS.values() for broker in setup.brokers if setup is not PLAIN
]
TODAYS_SETUPS = [OTHERWISE[SEED % len(OTHERWISE)]]


def needs(broker: str) -> None:
    if broker == "redis" and not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    if broker == "amqp" and not rabbitmq_server():
        unavailable("a RabbitMQ of the test's own")


def judged(mix: Mix, folder: Path) -> tuple[Verdict, str]:
    """The verdict, and all that is known of the run for whoever has to find out why."""
    said: list[str] = []
    verdict = run(mix, folder, said.append)
    output = (folder / "up.log").read_text(errors="replace")
    logs = [path.read_text(errors="replace")[-20_000:] for path in sorted(folder.glob("broker-*.log"))]
    return verdict, "\n".join([*verdict.problems, *verdict.evidence, *said, output[-10_000:], *logs])


@pytest.mark.parametrize(("broker", "pool"), MIXES, ids=lambda each: f"{each}-{SEED}")
def test_nothing_is_lost_and_nothing_multiplies(broker: str, pool: str, short_folder: Path) -> None:
    needs(broker)
    mix = Mix(broker, pool, WORK, faults=len(kinds_for(broker, pool)))
    verdict, report = judged(mix, short_folder)
    assert verdict.is_good, report


CELERY_BROKERS = ("redis", "amqp")
CELERY_POOLS = [each for each in POOLS if each != "asyncio"]


@pytest.mark.parametrize("broker", [CELERY_BROKERS[SEED % 2]], ids=lambda each: f"{each}-{SEED}")
def test_nothing_is_lost_of_a_celery_app(broker: str, short_folder: Path) -> None:
    needs(broker)
    pool = CELERY_POOLS[SEED % len(CELERY_POOLS)]
    verdict, report = judged(celery_mix(Mix(broker, pool, WORK, faults=12)), short_folder)
    assert verdict.is_good, report


@pytest.mark.parametrize(("broker", "setup"), TODAYS_SETUPS, ids=lambda each: f"{each}-{SEED}")
def test_the_same_holds_for_a_broker_that_is_set_up_otherwise(
    broker: str, setup: str, short_folder: Path
) -> None:
    needs(broker)
    if not SETUPS[setup].is_here:
        unavailable(SETUPS[setup].program)
    mix = Mix(broker, POOLS[SEED % len(POOLS)], WORK, faults=10, setup=SETUPS[setup])
    verdict, report = judged(mix, short_folder)
    assert verdict.is_good, report
