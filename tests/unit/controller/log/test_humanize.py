"""How a process ended, as a person reads it."""

from __future__ import annotations

from fleet.controller.log.humanize import ending, last_words
from fleet.launch_specs import Exit
from fleet.supervisor.client import LastExit

CANNOT_IMPORT = "2026-11-25T22:22:11Z ERROR http/0 can't start: No module named 'shop'"
DRAINING = "2026-11-25T22:22:11Z INFO http/0 draining: 0 in flight, 0 given back"


def left(*lines: str, code: int | None = 1, signal: int | None = None) -> LastExit:
    return LastExit(at=0.0, code=code, signal=signal, uptime_seconds=1.0, log_tail=lines)


def test_last_words_are_the_last_line_without_what_is_said_already() -> None:
    assert last_words(left("Traceback …", "ValueError: x", " ")) == ": ValueError: x"
    assert last_words(left(CANNOT_IMPORT)) == ": can't start: No module named 'shop'"
    assert last_words(left()) == ""


def test_why_it_cannot_start_counts_more_than_what_it_said_on_its_way_out() -> None:
    boot = left(CANNOT_IMPORT, DRAINING, code=Exit.BOOT_FAILED)
    assert last_words(boot) == ": can't start: No module named 'shop'"
    assert last_words(left("no interpreter", code=Exit.BOOT_FAILED)) == ": no interpreter"
    at_work = left(CANNOT_IMPORT, DRAINING, code=None, signal=9)
    assert "draining" in last_words(at_work), "an old error need not be what killed it"
    assert last_words(at_work).startswith("; its last line: "), "nor is that line why"
    assert ending(at_work) == "was killed by SIGKILL after 1.0 s"
