"""What a "configure" command may say."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from fleet.control import LIVE_SETTINGS
from fleet.launch_specs import WorkerSpec
from fleet.worker.settings import read_change

GOOD: dict[str, list[Any]] = {
    "concurrency": [1, 500],
    "prefetch": [None, 0, 10],
    "acks": ["late", "early"],
    "max_deliveries": [1],
    "max_retries": [0, 5],
    "retry_backoff_seconds": [0.5],
    "retry_backoff_max_seconds": [60],
    "soft_time_limit_seconds": [None, 2.5],
    "time_limit_seconds": [None, 3],
    "grace_period_seconds": [0, 30.0],
    "max_tasks": [None, 1],
    "max_memory_bytes": [None, 1024],
    "max_age_seconds": [None, 60.0],
}


def test_every_live_setting_is_a_field_of_the_spec_and_is_tried_here() -> None:
    assert {field.name for field in fields(WorkerSpec)} >= LIVE_SETTINGS
    assert GOOD.keys() == LIVE_SETTINGS


@pytest.mark.parametrize("name", sorted(LIVE_SETTINGS))
def test_a_change_to_a_value_that_fits_is_read(name: str) -> None:
    for value in GOOD[name]:
        assert read_change({"revision": "r", "settings": {name: value}}).settings == {name: value}


@pytest.mark.parametrize("name", sorted(LIVE_SETTINGS))
def test_a_change_to_a_value_that_does_not_fit_is_refused(name: str) -> None:
    for value in ("many", -1, True, [1], {}, *([] if None in GOOD[name] else [None])):
        with pytest.raises(ValueError, match=name):
            read_change({"revision": "r", "settings": {name: value}})


@pytest.mark.parametrize("name", ["pool", "queues", "app", "environment", "nonsense"])
def test_what_needs_a_new_worker_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' can't change"):
        read_change({"revision": "r", "settings": {"concurrency": 2, name: "x"}})


@pytest.mark.parametrize("arguments", [{}, {"revision": "r"}, {"revision": 1, "settings": {}}])
def test_a_command_without_its_parts_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a revision and settings"):
        read_change(arguments)
