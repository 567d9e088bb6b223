"""Comments that speak to fleet."""

from __future__ import annotations

from fleet.rules.finding import Finding
from fleet.rules.registry import found_by_loader


@found_by_loader("FLT011", "unused-ignore", "warning", fix="safe")
def unused_ignore(code: str, *, is_known: bool, is_alone: bool) -> Finding:
    """An ignore comment that matches nothing.

    `# fleet: ignore[CODE] why` keeps a finding quiet on its line. When the line is mended, or the comment
    has moved away from it, it stays behind and would hide the next mistake of that kind. Not reported for
    what depends on where the check runs (CPUs, files, variables), and only once the file has no errors
    of syntax.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
        acks = "late"  # fleet: ignore[FLT502] reminders may get lost

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
        acks = "early"  # fleet: ignore[FLT502] reminders may get lost
    """
    if not is_known:
        return Finding((), f"there is no check {code} to ignore", help="`fleet explain` lists them")
    advice = "put it at the end of the line that it is about" if is_alone else "remove it"
    return Finding((), f"{code} is not found on this line: there is nothing to ignore", help=advice)
