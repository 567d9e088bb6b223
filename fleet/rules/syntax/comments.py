"""Comments that speak to fleet."""

from __future__ import annotations

from fleet.rules.finding import Finding
from fleet.rules.registry import found_by_loader


@found_by_loader("FLT011", "unused-ignore", "warning", fix="safe")
def unused_ignore(code: str, *, is_known: bool, is_alone: bool) -> Finding:
    """An ignore comment that matches nothing.

    `# fleet: ignore[CODE] why` keeps a finding quiet on its line; behind the header of a table, in that table. One
    that names no code does nothing. When the line is mended, or the comment
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
    advice = (
        "move the comment to the end of the line with the finding"
        if is_alone
        else f"remove {code} from the comment"
    )
    return Finding((), f"{code} is not found on this line: there is nothing to ignore", help=advice)


def bare_ignore() -> Finding:
    """Words for a comment that says `ignore` and not what."""
    return Finding(
        (), "a comment that names no code ignores nothing", help="write the code: # fleet: ignore[FLT303] why"
    )
