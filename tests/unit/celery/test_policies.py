"""What the loop knows of a Celery task: only what it says itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fleet.celery.policies import own_of

PLAIN = {
    "acks_late": False,
    "time_limit": None,
    "soft_time_limit": None,
    "rate_limit": None,
    "reject_on_worker_lost": None,
}


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ({}, {"acks": "early"}),
        ({"acks_late": True}, {"acks": "late"}),
        ({"time_limit": 5}, {"acks": "early", "time_limit_seconds": 5.0}),
        ({"soft_time_limit": 0}, {"acks": "early", "soft_time_limit_seconds": 0.0}),
        ({"rate_limit": "10/m"}, {"acks": "early", "rate_limit": "10/m"}),
        ({"reject_on_worker_lost": False}, {"acks": "early", "on_loss": "record"}),
        ({"reject_on_worker_lost": True}, {"acks": "early"}),
    ],
)
def test_a_task_has_its_own_policy_where_it_says_something(said: dict[str, Any], own: dict[str, Any]) -> None:
    assert own_of(SimpleNamespace(**{**PLAIN, **said})) == own
