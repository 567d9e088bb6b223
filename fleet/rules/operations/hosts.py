"""Names of hosts: labels by which a group chooses them, and names by which browsers ask for the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Change, Finding, KeyPath
from fleet.rules.registry import rule

_HOST = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"


@rule("FLT724", "impossible-label", "error", fix="unsafe", singly=True, reads=("workers.on",))
def impossible_label(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A label in `on` that no host can have.

    `fleet up --labels` and the engines that fleet exports to take letters, digits, `-`, `_` and `.`, 63 at most, for a
    label. A group that asks for another one is run by no host, and its messages wait. Several labels are several texts
    in the list.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        on = ["gpu,ssd"]

    Good:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        on = ["gpu", "ssd"]
    """
    for name, group in fleet.workers.items():
        if not group.on:
            continue
        from fleet.host_labels import is_label

        path: KeyPath = ("workers", name, "on")
        wrong = [(index, label) for index, label in enumerate(group.on) if not is_label(label)]
        parts = [part for label in group.on for part in re.split(r"[,\s]+", label) if part]
        is_list = bool(parts) and all(map(is_label, parts))
        meant = ", ".join(f'"{part}"' for part in dict.fromkeys(parts))
        for index, label in wrong:
            yield Finding(
                (*path, index),
                f'group "{name}": no host has the label "{label[:80]}"',
                help=f"on = [{meant}]"
                if is_list
                else "letters and digits, - _ and . between them, 63 at most",
                steps=(Change(path, f"[{meant}]"),) if is_list and len(wrong) == 1 else (),
            )


@rule("FLT726", "unusable-host-name", "warning", fix="unsafe", singly=True, reads=("dashboard.hosts",))
def unusable_host_name(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """An entry of `hosts` by which no browser asks.

    A browser says the name of the host that it asks, and the page answers only to those in `hosts`. Compared is the
    name alone: no scheme, no port, no path, and `*` is a letter like others. Names with letters beyond ASCII are asked
    for in their encoded form (`xn--…`).

    Bad:

        [dashboard]
        hosts = ["https://shop.example.com/"]

    Good:

        [dashboard]
        hosts = ["shop.example.com"]
    """
    for index, host in enumerate(fleet.dashboard.hosts if fleet.dashboard else ()):
        if re.fullmatch(_HOST, host):
            continue
        bare = re.split(r"[/?#]", host.strip().rpartition("://")[2], maxsplit=1)[0].rpartition("@")[2]
        name = re.sub(r":\d*$", "", bare).strip("[]")
        path: KeyPath = ("dashboard", "hosts", index)
        is_name = bool(re.fullmatch(_HOST, name))
        yield Finding(
            path,
            f'no browser asks for a host by the name "{host[:80]}"',
            help=f'the name alone: "{name}"' if is_name else "the name alone, such as shop.example.com",
            steps=(Change(path, f'"{name}"'),) if is_name else (),
        )
