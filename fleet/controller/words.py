"""How long something takes and how a process ended, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.spec import Exit
from fleet.supervisor.client import LastExit

# As workers log (fleet.worker): when, how bad, and who, which is said already wherever this is shown.
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (?P<level>[A-Z]+) (?:\S+/\d+:? )?(?P<text>.+)")


def ending(last: LastExit) -> str:
    """How a process ended, as in "was killed by SIGKILL after 12 s"."""
    if last.reason is not None:
        return f"was killed after {seconds(last.uptime_seconds)}, because {last.reason}"
    how = (
        f"was killed by {signal_name(last.signal)}"
        if last.signal is not None
        else f"exited with code {last.code}"
    )
    return f"{how} after {seconds(last.uptime_seconds)}"


def last_words(last: LastExit) -> str:
    """The last line of its log that says something, after a colon; "" when there is none."""
    said = list(_said(last))
    # One that can't start may still tidy up, and say so, after it has said why.
    if last.code == Exit.BOOT_FAILED:
        said = [each for each in said if each[0] == "ERROR"] or said
    return f": {said[-1][1]}" if said else ""


def _said(last: LastExit) -> Iterator[tuple[str, str]]:
    """Level ("" of what is no log line) and text of each line."""
    for line in filter(None, map(str.strip, last.log_tail)):
        found = _LOG_LINE.fullmatch(line)
        yield (found["level"], found["text"]) if found else ("", line)


def seconds(number: float) -> str:
    """A duration for people: two digits that matter."""
    if number < 10:
        return f"{number:.2g} s" if number >= 0.095 else f"{number:.2f} s"
    return f"{number:.0f} s"


def period(number: float) -> str:
    """As people order it: 30 s, 90 min, 2 h, 1 h 30 min, 2 days."""
    whole = round(number)
    if number < 120:
        return seconds(number)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    counts = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in counts if count)


def signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
