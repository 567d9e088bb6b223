"""The coverage that --app proves is what the router then does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.router import Router
from fleet.config.load import load_source
from fleet.config.model import Fleet
from fleet.config.source import Source
from fleet.rules.app import AppTask, routes_do_not_fit_app
from fleet.rules.finding import Finding
from fleet.spec import RouteSpec

NAMES = ("a.b", "a.c", "ab.c", "b")
QUEUES = ("one", "two", "idle")
GLOBS = ("*", "a.*", "a*", "?.b", "a.[bc]", "b", "nothing.*")


def a_fleet(routes: list[tuple[str, str]]) -> Fleet:
    rules = "".join(f'[[routes]]\ntask = "{glob}"\nqueue = "{queue}"\n' for glob, queue in routes)
    text = (
        '[fleet]\napp = "x"\n[queues.one]\n[queues.two]\n[queues.idle]\n'
        f'{rules}[workers.w]\nqueues = ["one", "two"]\npool = "solo"\n'
    )
    fleet = load_source(Source(Path("fleet.toml"), text), rules=False).fleet
    assert fleet is not None
    return fleet


def found(fleet: Fleet, tasks: list[AppTask]) -> list[Finding]:
    return list(routes_do_not_fit_app(fleet, tasks))


@given(
    st.lists(st.tuples(st.sampled_from(GLOBS), st.sampled_from(QUEUES)), max_size=5),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from((None, *QUEUES, "odd")), min_size=1),
)
def test_no_error_exactly_if_every_task_gets_to_a_consumed_queue(
    routes: list[tuple[str, str]], own: dict[str, str | None]
) -> None:
    router = Router([RouteSpec((glob,), queue) for glob, queue in routes])
    tasks = [AppTask(name, queue, "x.py:1") for name, queue in own.items()]
    arrive = [
        (own[name] or ((match := router.match(name)) and match.queue)) in ("one", "two") for name in own
    ]
    findings = found(a_fleet(routes), tasks)
    assert all(arrive) == (not any(each.severity is None for each in findings))
    # Each warning is about a rule that the router never uses for any of these tasks.
    used = {
        (match.index, match.pattern) for name in own if own[name] is None and (match := router.match(name))
    }
    for each in findings:
        if each.severity == "warning":
            index = each.path[1]
            assert isinstance(index, int)
            assert (index, routes[index][0]) not in used


def test_an_app_without_tasks_is_one_mistake() -> None:
    (finding,) = found(a_fleet([("a.*", "one")]), [])
    assert "has no task" in finding.message


def test_a_catch_all_may_be_left_with_nothing() -> None:
    fleet = a_fleet([("a.*", "one"), ("*", "two")])
    (finding,) = found(fleet, [AppTask("a.b", None, "x.py:1")])
    assert (finding.severity, finding.path) == ("info", ("queues", "two"))


def test_long_lists_are_cut() -> None:
    tasks = [AppTask(f"t{number}", None, "x.py:1") for number in range(9)]
    (finding,) = found(a_fleet([]), tasks)
    assert "9 tasks (t0, t1, t2, t3, t4 and 4 more)" in finding.message
