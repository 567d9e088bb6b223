"""Alerts: whether anybody hears of them."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding
from fleet.rules.registry import rule


@rule("FLT725", "alert-to-nobody", "error", reads=("alerts.*",))
def alert_to_nobody(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`[alerts]` without anybody who is told, or with a command that names no program.

    The controller looks whether something is wrong only if there is somebody to tell: a webhook, whose URL is in
    `webhook_file`, or a `command`. A table with `repeat` alone looks as if somebody were told, and nobody is.

    Bad:

        [alerts]
        repeat = "1h"

    Good:

        [alerts]
        webhook_file = "/etc/fleet/webhook"
        repeat = "1h"
    """
    alerts = fleet.alerts
    if alerts is None:
        return
    if alerts.command is not None and not alerts.command[0].strip():
        yield Finding(
            ("alerts", "command", 0),
            "`command` names no program",
            help='the program first, then its arguments: command = ["/usr/local/bin/page", "--now"]',
        )
    elif alerts.command is None and alerts.webhook_file is None:
        yield Finding(
            ("alerts",),
            "[alerts] tells nobody: it has neither `webhook_file` nor `command`",
            help='webhook_file = "/etc/fleet/webhook", a file with the URL to POST to; or remove the table',
            severity="warning",
        )
