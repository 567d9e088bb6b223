"""The first lines of `fleet up`: what is about to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fleet.config.model import Fleet


def banner(fleet: Fleet, file: Path, env: str | None) -> str:
    """A few lines: name, file, broker without its password, one line a group, and how to go on."""
    from fleet.broker.urls import mask_url
    from fleet.config.resolve import broker

    where = f"{file}  [env.{env}]" if env else str(file)
    rows = [("broker", mask_url(broker(fleet).url)), *((name, _group(fleet, name)) for name in fleet.workers)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [
            f"{click.style(fleet.name, bold=True)}  {where}",
            *(f"  {name:<{width}}  {text}" for name, text in rows),
            "Edit the file and it follows. Ctrl-C drains and stops; `fleet status` shows it.",
        ]
    )


def _group(fleet: Fleet, name: str) -> str:
    from fleet.machine import this_machine

    group = fleet.workers[name]
    fewest, most = group.replica_bounds()
    many = str(most) if fewest == most else f"{fewest} to {most}"
    at_once = "" if group.pool == "solo" else f" {group.slots(this_machine().cpus.value)}"
    workers = "worker" if most == 1 else "workers"
    return f"{many} {workers}, {group.pool}{at_once}, queues {', '.join(group.queues)}"
