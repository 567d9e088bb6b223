"""Settings that only root can give a worker: its user, and a place before others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding
from fleet.rules.registry import rule

_USER = r"[A-Za-z_][\w.@\\-]*\$?"


@rule("FLT721", "nice-needs-root", "warning", reads=("workers.nice", "all workers.user"))
def nice_needs_root(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A negative `nice` in a fleet that may be started by somebody else than root.

    Everybody may step back behind others (`nice = 10`), but only root may put a process before them. Started by anybody
    else the workers of such a group end before they have begun. A file in which some group has a `user` is meant to be
    started by root, and is not reported.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        nice = -5

    Good:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        nice = 5
    """
    if any(group.user for group in fleet.workers.values()):
        return
    for name, group in fleet.workers.items():
        if group.nice < 0:
            yield Finding(
                ("workers", name, "nice"),
                f'group "{name}": only root may start processes with nice = {group.nice}; '
                "for anybody else these workers don't start",
                help="0 here, and a positive number for the groups that can wait; or start the fleet as root, with "
                "a `user` for each group",
            )


@rule("FLT722", "user-is-no-name", "warning", reads=("workers.user",))
def user_is_no_name(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A `user` that is no name: a number, or a user with a group behind a colon.

    Users go by their names here, as in /etc/passwd; the groups of a user come along. Started by root the workers of
    such a group don't start: there is no user of that name.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        user = "1000:1000"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        user = "shop"
    """
    for name, group in fleet.workers.items():
        if group.user in (None, "0") or re.fullmatch(_USER, group.user):
            continue  # FLT607
        if not group.user.strip() or not group.user.isprintable():
            continue  # FLT714
        before, colon, _ = group.user.partition(":")
        is_number = before.isdecimal()
        yield Finding(
            ("workers", name, "user"),
            f'group "{name}": "{group.user}" is not the name of a user',
            help=f"write the user's name: `getent passwd {before}` shows it"
            if is_number
            else f'user = "{before}": its groups come along'
            if colon and before
            else "the user's name, as in /etc/passwd",
        )
