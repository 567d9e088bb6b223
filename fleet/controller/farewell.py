"""What a worker holds on the broker, by whom it can't see to itself: given back at once when its process is
gone, kept while that lives and can't say so.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.leases import release_owner, renew_owner
from fleet.controller.observe import Scene
from fleet.spec import BrokerSpec, WorkerLaunch
from fleet.supervisor.client import Program


def departed(before: Scene, after: Scene) -> list[Program]:
    """The programs of `before` whose process has ended since."""
    alive = {program.pid for program in after.programs.values()}
    return [program for program in before.programs.values() if program.pid and program.pid not in alive]


def give_back(gone: Sequence[Program]) -> Iterator[str]:
    """Return the leases of ended processes; what there is to say about it. Blocks on the broker."""
    for program in gone:
        worker = f"{program.group}/{program.labels['replica']}"
        try:
            count = release_owner(*_owner(program))
        except (OSError, ValueError, BrokerUnavailable):
            continue  # then its lease runs out
        if count:
            yield f"{worker} (pid {program.pid}) held {count} deliveries, which are back in their queues"


def keep(program: Program) -> None:
    """Push out the lease of a living process, unless it has been given back. Blocks on the broker."""
    with suppress(OSError, ValueError, BrokerUnavailable):  # then it is tried again, while it lasts
        renew_owner(*_owner(program))


def _owner(program: Program) -> tuple[BrokerSpec, str]:
    """The broker and the name by which its process holds leases. Raises OSError, ValueError."""
    # Its own broker: the declared one may be another by now.
    launch = WorkerLaunch.from_json(Path(program.labels["launch_file"]).read_text())
    return launch.spec.broker, launch.identity(socket.gethostname(), program.pid)
