"""`fleet view` decides as `fleet simulate` and the controller do, and its counters survive workers that come and go."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fleet.control import Report
from fleet.controller.autoscale.need import ObservedLoad
from fleet.simulation import world
from fleet.simulation.load_file import Piece
from fleet.view.http_answers import respond
from fleet.view.scaler import GroupScaler, WorkerTotals
from fleet.view.watching import View
from tests.unit.simulation.test_world import run, scaled


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("task_seconds", [0.2, 3.0])
def test_the_same_trace_gives_the_same_numbers_as_a_simulation(
    monkeypatch: pytest.MonkeyPatch, slots: int, task_seconds: float
) -> None:
    seen: list[tuple[ObservedLoad, float, int]] = []
    decide = world.decide

    def listening(policy: Any, limits: Any, load: ObservedLoad, course: Any, now: float) -> Any:
        decision = decide(policy, limits, load, course, now)
        seen.append((load, now, decision.replicas))
        return decision

    monkeypatch.setattr(world, "decide", listening)
    group = scaled(1, 40, 5.0, slots)
    run(
        group,
        Piece("q", 0.0, 60.0, 12.0 * slots, (task_seconds,)),
        Piece("q", 60.0, 300.0, 1.0 * slots, (task_seconds,)),
    )
    assert len({replicas for _, _, replicas in seen}) > 2, "the trace moves it"
    scaler = GroupScaler(group)
    assert [scaler.decide(load, now, present=1).replicas for load, now, _ in seen] == [
        each for *_, each in seen
    ]


def report(done: int, seconds: float, **more: Any) -> Report:
    return Report("w/0", 1, "r", "ready", tasks={"t": [done, seconds, 0.0]}, **more)


def test_counters_only_grow_while_workers_come_and_go() -> None:
    totals = WorkerTotals()
    totals.read({"a": report(100, 50.0)})
    assert (totals.done, totals.busy_seconds) == (0, 0.0), "what was before is of no interest"
    totals.read({"a": report(103, 51.5), "b": report(2, 1.0)})
    assert (totals.done, totals.busy_seconds) == (5, 2.5)
    totals.read({"b": report(4, 2.0)})
    totals.read({"a": report(104, 52.0), "b": report(4, 2.0)})
    assert totals.done == 8, "one that was not reached for a moment is not counted twice"
    totals.read({"a": report(3, 1.0), "b": report(4, 2.0)})
    assert totals.done == 11, "another process under the same address starts anew"


def view(*, fresh: bool, answers: dict[str, dict[str, Any]]) -> View:
    return cast("View", SimpleNamespace(is_fresh=fresh, groups=["a", "b"], answer=answers.get))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/groups/a", 200),
        ("/v1/groups/a?x=1", 200),
        ("/v1/groups/b", 503),
        ("/v1/groups/c", 404),
        ("/v1/groups", 200),
        ("/", 404),
        ("/live", 200),
    ],
)
def test_what_is_not_known_is_no_number(path: str, status: int) -> None:
    assert respond(view(fresh=True, answers={"a": {"desired": 3}}), path)[0] == status


def test_a_view_that_has_stopped_looking_is_not_live() -> None:
    assert respond(view(fresh=False, answers={}), "/live")[0] == 503


def test_without_the_broker_s_word_the_number_stays() -> None:
    scaler = GroupScaler(replace(scaled(1, 9, 5.0, 1)))
    scaler.step({"a": report(0, 0.0), "b": report(0, 0.0)}, {}, 0.0)
    assert scaler.step({"a": report(0, 0.0)}, {}, 100.0).replicas == 2
