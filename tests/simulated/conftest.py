"""How many schedules, from which seed, or exactly one: options and environment variables (see CONTRIBUTING.md)."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulated broker")
    group.addoption("--schedules", type=int, help="how many for all three brokers together; default 10000")
    group.addoption("--seed", type=int, help="the first seed; default 0")
    group.addoption("--replay", help="one schedule as a failure has printed it: BROKER:POSITION=NUMBER,…")


def _wanted(config: pytest.Config, option: str, variable: str, default: str) -> str:
    given = config.getoption(option, None)
    return str(given) if given is not None else os.environ.get(variable, default)


@pytest.fixture(scope="session")
def schedules(pytestconfig: pytest.Config) -> int:
    return int(_wanted(pytestconfig, "--schedules", "FLEET_SIMULATED_SCHEDULES", "10000"))


@pytest.fixture(scope="session")
def first_seed(pytestconfig: pytest.Config) -> int:
    return int(_wanted(pytestconfig, "--seed", "FLEET_SIMULATED_SEED", "0"))


@pytest.fixture(scope="session")
def replay(pytestconfig: pytest.Config) -> str:
    return _wanted(pytestconfig, "--replay", "FLEET_SIMULATED_REPLAY", "")
