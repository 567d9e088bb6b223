from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from fleet.launch_specs import ProgramSpec
from fleet.supervisor.zygotes import kind_of

PROGRAM = ProgramSpec(
    "g", "0.1", ("/bin/w", "a.json"), "/srv", {"A": "1"}, "/a.log", preload=("/bin/w", "--all")
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has subreapers")


def test_without_preload_there_is_no_kind() -> None:
    assert kind_of(replace(PROGRAM, preload=())) is None


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("/bin/w", "b.json")},
        {"group": "h", "name": "3.7"},
        {"log_file": "/b.log"},
        {"stop_seconds": 1.0},
        {"labels": {"role": "worker"}},
    ],
)
def test_what_each_program_has_for_itself_does_not_count(change: dict[str, Any]) -> None:
    assert kind_of(replace(PROGRAM, **change)) == kind_of(PROGRAM)


@pytest.mark.parametrize(
    "change",
    [
        {"preload": ("/bin/w", "--other")},
        {"directory": "/opt"},
        {"environment": {"A": "2"}},
        {"user": "nobody"},
        {"nice": 3},
    ],
)
def test_programs_that_differ_in_what_a_fork_inherits_share_no_zygote(change: dict[str, Any]) -> None:
    assert kind_of(replace(PROGRAM, **change)) != kind_of(PROGRAM)
