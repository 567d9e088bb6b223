"""Guesses that would bring another finding, or a pattern that matches nothing, are not offered as a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import check
from fleet.config.source import Source

FILE = """\
[fleet]
app = "shop"

[broker]
accept = ["json"{more}]

[queues.q]
workload = "io"

[[routes]]
task = '{pattern}'
queue = "q"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "gevent"
concurrency = 100
"""


def fixes(code: str, *, more: str = "", pattern: str = "shop.*") -> list[bool]:
    """Whether each finding of that code has a fix."""
    text = FILE.format(more=more, pattern=pattern)
    found = check(Source(Path("/fleet.toml"), text), environ={}).diagnostics
    return [each.fix is not None for each in found if each.code == code]


@pytest.mark.parametrize(("name", "has_fix"), [("pickel", False), ("yml", False), ("msgpak", True)])
def test_no_fix_writes_a_format_that_runs_code(name: str, has_fix: bool) -> None:
    assert fixes("FLT609", more=f', "{name}"') == [has_fix]


@pytest.mark.parametrize(
    ("pattern", "has_fix"),
    [
        (r"^shop\.(a|b)\..*$", True),
        (r"^shop\.z(?!x)", False),
        (r"^shop\.(?=a).*", False),
        (r"^shop\.(?i).*", False),
    ],
)
def test_no_glob_is_made_of_what_globs_cannot_say(pattern: str, has_fix: bool) -> None:
    assert fixes("FLT209", pattern=pattern) == [has_fix]


def written(code: str, *, app: str = "shop", pattern: str = "shop.*") -> list[str | None]:
    """What the fix of each finding of that code would write."""
    text = FILE.format(more="", pattern=pattern).replace('app = "shop"', f'app = "{app}"')
    found = check(Source(Path("/fleet.toml"), text), environ={}).diagnostics
    return [each.fix and each.fix.edits[0].text for each in found if each.code == code]


@pytest.mark.parametrize(
    ("app", "fix"),
    [
        ("shop/celery:app", '"shop.celery:app"'),
        ("shop/celery.py:app", '"shop.celery:app"'),
        ("shop.celery : app", '"shop.celery:app"'),
        ("import shop.tasks", '"shop.tasks"'),
        ("import shop.tasks as t", '"shop.tasks"'),
        ("from shop import tasks", '"shop.tasks"'),
        ("import a, b.c", '["a", "b.c"]'),
        ("from shop import a, b", '["shop.a", "shop.b"]'),
        ("shop.celery:", '"shop.celery"'),
        ("shop.*", None),
        ("shop:create_app()", None),
        ("shop:my-app", None),
    ],
)
def test_the_name_of_an_app_keeps_its_object(app: str, fix: str | None) -> None:
    assert written("FLT710", app=app) == [fix]


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("shop.{images,video}.*", '["shop.images.*", "shop.video.*"]'),
        ("shop.{images, video}.*", '["shop.images.*", "shop.video.*"]'),
        ("shop.{images}.*", '"shop.images.*"'),
        ("shop.{a,b}.{c,d}", None),
        ("shop.{a,}.x", None),
        ("shop.{a, shop.b", None),
        ("shop.images .*", '"shop.images.*"'),
        ("shop.images *", None),
        ("shop.images, .*", None),
        ("shop.images.*, shop.video.*", '["shop.images.*", "shop.video.*"]'),
    ],
)
def test_no_catch_all_and_no_half_of_braces_is_made_of_a_pattern(pattern: str, fix: str | None) -> None:
    assert written("FLT210", pattern=pattern) == [fix]
