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
