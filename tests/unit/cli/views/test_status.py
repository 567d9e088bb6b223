"""The status of a fleet on a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.cli.views.status import lines


def group(name: str, **more: Any) -> dict[str, Any]:
    common = {
        "name": name,
        "pool": "threads",
        "concurrency": 3,
        "queues": ["io", "images"],
        "replicas": {"ready": 4, "desired": 4},
        "paused_queues": [],
        "overrides": [],
        "workers": [],
    }
    return {**common, **more}


def status(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "fleet": "shop",
        "state": "healthy",
        "reasons": [],
        "file": "/srv/fleet.toml",
        "supervisor": {"pid": 1234567, "uptime_seconds": 86400 * 12.0},
        "controller": {"pid": 7, "restarts": 0},
        "config": {"revision": "a4f3d5e7e68e", "rejected": None},
        "rollout": None,
        "broker": {"error": None},
        "groups": list(groups),
        "queues": [],
        **more,
    }


def test_the_verdict_drops_what_does_not_fit() -> None:
    first = next(iter(lines(status(group("http")), 80)))
    assert first == "shop is healthy: 4 of 4 workers ready, up 12 d 0 h, pid 1234567"
    assert next(iter(lines(status(group("http")), 100))).endswith(", configuration a4f3d5e7e68e")


def test_what_is_paused_is_seen_in_the_table() -> None:
    found = list(lines(status(group("http", paused_queues=["io"])), 80))
    assert found[3].endswith("io (paused), images")


def test_two_groups_under_one_pause_are_told_once_and_nothing_is_too_long() -> None:
    pause = {
        "verb": "pause",
        "queue": "io",
        "replicas": None,
        "actor": "ann",
        "reason": "the supplier's service is down and every call of it takes a minute to fail",
        "since": "2026-11-25T11:58:00Z",
        "until": None,
    }
    rollout = {"state": "rolled back", "group": "http", "reason": "http/0 exited with code 3 " + "word " * 40}
    found = list(
        lines(status(group("a", overrides=[pause]), group("b", overrides=[pause]), rollout=rollout), 80)
    )
    assert sum("queue io is paused" in line for line in found) == 1
    assert any("`fleet resume --queue io`" in line for line in found)
    assert any("`fleet reload` to try again" in line for line in found)
    assert max(map(len, found)) <= 80


def test_who_is_left_alone_although_it_does_not_report_is_named() -> None:
    worker = {
        **dict.fromkeys(("in_flight", "succeeded", "failed", "retried", "rss_bytes", "restarts")),
        "id": "http/0",
        "state": "ready",
        "pid": 8,
        "uptime_seconds": 60.0,
        "recent_crashes": 0,
        "last_exit": None,
        "broker_error": None,
        "absorbed": "a task computes and lets nothing else run",
    }
    found = list(lines(status(group("http", workers=[worker])), 80))
    assert "http/0 does not report: a task computes and lets nothing else run" in found


def busy(**more: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(("succeeded", "failed", "retried", "rss_bytes", "restarts")),
        "id": "http/0",
        "state": "ready",
        "pid": 8,
        "uptime_seconds": 900.0,
        "recent_crashes": 0,
        "last_exit": None,
        "broker_error": None,
        "absorbed": None,
        "in_flight": 3,
        **more,
    }


def test_who_has_something_in_flight_for_long_is_named_with_how_long() -> None:
    long, short = busy(oldest_in_flight_seconds=720.0), busy(id="http/1", oldest_in_flight_seconds=12.0)
    found = "\n".join(lines(status(group("http", workers=[long, short])), 80))
    assert "http/0 has 3 in flight, the oldest for 12 min" in found
    assert "http/1" not in found


def test_what_runs_alone_is_named() -> None:
    found = " ".join(lines(status(group("http", workers=[busy(runs_alone="shop.resize[5b1f]")])), 200))
    assert "http/0 runs nothing but shop.resize[5b1f], which may have killed workers before" in found


def test_what_is_too_much_for_this_machine_is_told_and_is_no_trouble() -> None:
    found = [
        {"code": "FLT301", "line": 11, "message": f"group {number} runs 4 processes"} for number in range(7)
    ]
    told = list(lines(status(config={"revision": "a4f3d5e7e68e", "rejected": None, "warnings": found}), 80))
    assert "The file asks for more than this machine has:" in told
    assert "  FLT301 line 11: group 0 runs 4 processes" in told
    assert "  and 2 more: `fleet validate` shows them" in told
    assert told[0].startswith(next(lines(status(), 80))[:10])


def scheduled(name: str, next_at: str | None) -> dict[str, Any]:
    return {"name": name, "next_at": next_at}


@pytest.mark.parametrize(
    ("schedules", "said"),
    [
        ([scheduled("a", None)], "1 schedule; `fleet schedule list` shows them"),
        (
            [
                scheduled("b", "2026-11-30T03:00:00.000Z"),
                scheduled("a", None),
                scheduled("c", "2026-11-29T04:05:06Z"),
            ],
            "3 schedules, next c at 2026-11-29 04:05:06 UTC; `fleet schedule list` shows them",
        ),
    ],
)
def test_the_line_of_schedules_names_the_next_one(schedules: list[dict[str, Any]], said: str) -> None:
    assert said in list(lines(status(schedules=schedules), 200))
    assert not any("fleet schedule list" in line for line in lines(status(schedules=[]), 200))
