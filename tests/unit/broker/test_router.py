"""First match wins, globs are case-sensitive, and an unroutable task says what would have matched."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.router import Router, Unroutable
from fleet.spec import RouteSpec

names = st.text(alphabet="ab.Z", min_size=1, max_size=6)
globs = st.text(alphabet="ab.Z*?[]!", min_size=1, max_size=6)
routes = st.lists(st.builds(RouteSpec, st.lists(globs, min_size=1, max_size=3).map(tuple), names), max_size=6)


@given(routes, st.lists(names, min_size=1, max_size=5))
def test_the_first_rule_that_matches_takes_the_task(rules: list[RouteSpec], tasks: list[str]) -> None:
    router = Router(rules)
    for task in tasks:
        expected = next(
            (
                (index, pattern, rule.queue)
                for index, rule in enumerate(rules)
                for pattern in rule.patterns
                if fnmatchcase(task, pattern)
            ),
            None,
        )
        found = router.match(task)
        assert (None if found is None else (found.index, found.pattern, found.queue)) == expected


def test_names_are_case_sensitive_and_matched_whole() -> None:
    router = Router([RouteSpec(("shop.*",), "q", 5)])
    assert router.match("Shop.tasks.a") is None
    assert router.match("my.shop.a") is None
    match = router.match("shop.tasks.a")
    assert match is not None
    assert (match.queue, match.priority) == ("q", 5)


def test_an_unroutable_task_hears_which_patterns_there_are() -> None:
    router = Router([RouteSpec(("shop.*", "mail.*"), "a"), RouteSpec(("img.?",), "b")])
    with pytest.raises(
        Unroutable, match=r"'pay.now'; .* in /etc/fleet.toml match: \"shop.\*\", \"mail.\*\", \"img"
    ):
        router.route("pay.now", source="/etc/fleet.toml")


def test_without_rules_the_error_says_so() -> None:
    with pytest.raises(Unroutable, match="match: none at all"):
        Router([]).route("x", source="fleet.toml")
