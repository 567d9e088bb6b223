"""The rate of a cell, by the moments at which its tasks ended."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.bench.measuring import CounterReading, _rate


def ended(*ends: float) -> list[dict[str, Any]]:
    return [{"begun": end - 0.1, "wall": 0.1} for end in ends]


def looks(count: int) -> list[CounterReading]:
    return [CounterReading(0.0, 0, 0.0, 0.0), CounterReading(9.0, count, 0.0, 0.0)]


def test_it_is_counted_from_the_end_of_the_first_wave_on() -> None:
    waves = ended(*(0.1 * (1 + number // 4) for number in range(40)))
    assert _rate(looks(40), waves, 4) == pytest.approx(40, rel=0.15)


def test_a_few_beyond_the_first_wave_are_no_rate() -> None:
    """As measured: 32 at once that computed in turn, and two more that ended together with the last of them."""
    told = ended(*(0.1 + 0.03 * number for number in range(32)), 1.03001, 1.03002)
    assert _rate(looks(34), told, 32) == pytest.approx(34 / 1.03, rel=0.05)


def test_a_single_wave_of_many_is_counted_from_its_beginning() -> None:
    """As measured: 4,096 that all waited for ten seconds ended within four tenths of one."""
    counted = [(0.0, 0), (10.0, 100), (10.2, 2000), (10.4, 4096)]
    told = [CounterReading(at, number, 0.0, 0.0) for at, number in counted]
    assert _rate(told, ended(*[10.4] * 900), 4096) == pytest.approx(4096 / 10.4, rel=0.01)
    assert _rate(looks(9000), ended(*[9.0] * 900), 100) > 0
