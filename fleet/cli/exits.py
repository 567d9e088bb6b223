"""The exit codes of `fleet`, one place for all verbs."""

from __future__ import annotations


class Exit:
    """What a script may rely on; 73 and 78 are those of sysexits.h."""

    OK = 0
    FINDINGS = 1  # validate: errors; status: degraded; reload: rolled back; route: no route
    USAGE = 2  # mistyped, unreadable, unknown; for plan --detailed-exitcode: there are changes
    INTERNAL = 3  # our own mistake
    NOT_RUNNING = 3  # status and down: no fleet is up
    ALREADY_RUNNING = 73
    BAD_CONFIG = 78
    INTERRUPTED = 130
