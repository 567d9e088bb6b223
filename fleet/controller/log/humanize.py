"""The end of a process and its last words, for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.duration_words import measured
from fleet.launch_specs import Exit
from fleet.supervisor.client import LastExit

# As workers log (fleet.worker): when, how bad, and who, which is said already wherever this is shown.
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (?P<level>[A-Z]+) (?:\S+/\d+:? )?(?P<text>.+)")


def ending(last: LastExit) -> str:
    """How a process ended, as in "was killed by SIGKILL after 12 s"."""
    if last.reason is not None:
        return f"was killed after {measured(last.uptime_seconds)}, because {last.reason}"
    how = (
        f"was killed by {signal_name(last.signal)}"
        if last.signal is not None
        else f"exited with code {last.code}"
    )
    return f"{how} after {measured(last.uptime_seconds)}"


def last_words(last: LastExit) -> str:
    """The last line of its log that says something, after a colon; "" when there is none.

    What was killed from outside had no time to say why: that line is only what it had said before.
    """
    said = list(_said(last))
    # One that can't start may still tidy up, and say so, after it has said why.
    if last.code == Exit.BOOT_FAILED:
        said = [each for each in said if each[0] == "ERROR"] or said
    lead = "; its last line: " if last.signal is not None else ": "
    return f"{lead}{said[-1][1]}" if said else ""


def _said(last: LastExit) -> Iterator[tuple[str, str]]:
    """Level ("" of what is no log line) and text of each line."""
    for line in filter(None, map(str.strip, last.log_tail)):
        found = _LOG_LINE.fullmatch(line)
        yield (found["level"], found["text"]) if found else ("", line)


def signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
