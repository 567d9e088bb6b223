"""The contract's app in a worker that is quick to judge itself, for tests that can't wait for a minute."""

from __future__ import annotations

from fleet.worker import blocked_loop, health, recycling
from tests.contract.app import *  # noqa: F403  its tasks

recycling.LEAST_SECONDS = 1.0
blocked_loop.WEDGED_SECONDS = 7.0  # above the longest wait of the loop
health.OVERDUE_SECONDS = 1.0
health.ALONE_SECONDS = 1.0
