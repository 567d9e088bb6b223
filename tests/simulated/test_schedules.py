"""Ten thousand schedules: the real worker against brokers that refuse, answer by halves, and end connections."""

from __future__ import annotations

import pytest

from tests.simulated.choices import from_text
from tests.simulated.running import breaches_of, first_breach

# RabbitMQ has most to go wrong, and the most code of ours.
SHARES = {"rabbitmq": 0.6, "redis": 0.2, "sqlite": 0.2}
PARTS = 8  # for as many processors


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("broker", SHARES)
def test_schedules_keep_every_promise(broker: str, part: int, schedules: int, first_seed: int) -> None:
    most = max(1, round(schedules * SHARES[broker]))
    story = first_breach(broker, range(first_seed + part, first_seed + most, PARTS))
    assert story is None, f"\n{story}"


def test_a_replayed_schedule_keeps_every_promise(replay: str) -> None:
    if not replay:
        pytest.skip("no --replay given")
    broker, _, draws = replay.partition(":")
    verdict = breaches_of(broker, from_text(draws))
    assert not verdict.breaches, "\n".join((*verdict.told, *verdict.breaches))
