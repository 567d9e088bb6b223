"""A short run for CI: every fault there is, once each, on every broker; the pool changes from day to day.

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
from tests.chaos.mix import Mix, run
from tests.chaos.schedule import kinds_for

pytestmark = pytest.mark.process

POOLS = tuple(CONCURRENCY)
SEED = int(os.environ.get("CHAOS_SEED") or datetime.now(UTC).toordinal())
MIXES = [(broker, POOLS[(SEED + place) % len(POOLS)]) for place, broker in enumerate(BROKERS)]


def _needs(broker: str) -> None:
    if broker == "redis" and not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    if broker == "amqp" and not rabbitmq_server():
        unavailable("a RabbitMQ of the test's own")


@pytest.mark.parametrize(("broker", "pool"), MIXES, ids=lambda each: f"{each}-{SEED}")
def test_nothing_is_lost(broker: str, pool: str, short_folder: Path) -> None:
    _needs(broker)
    work = Work(count=400, seed=SEED, mean_seconds=0.01, per_second=40.0, long_every=50, long_seconds=1.0)
    said: list[str] = []
    verdict = run(Mix(broker, pool, work, faults=len(kinds_for(broker, pool))), short_folder, said.append)
    output = (short_folder / "up.log").read_text(errors="replace")
    logs = [path.read_text(errors="replace")[-20_000:] for path in sorted(short_folder.glob("broker-*.log"))]
    report = "\n".join([*verdict.problems, *verdict.evidence, *said, output[-10_000:], *logs])
    assert verdict.is_good, report
