"""The leases of workers that can't see to them: given back at once when the process is gone, kept while it lives and
can't say so.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.leases import release_owner, renew_owner
from fleet.controller.observed.observe import Observation
from fleet.launch_specs import WorkerLaunch
from fleet.program_labels import WorkerLabels
from fleet.spec import BrokerSpec
from fleet.supervisor.client import Program


def departed(before: Observation, after: Observation) -> list[Program]:
    """The programs of `before` whose process has ended since."""
    alive = {program.pid for program in after.programs.values()}
    return [program for program in before.programs.values() if program.pid and program.pid not in alive]


def give_back(gone: Sequence[Program]) -> Iterator[str]:
    """Return the leases of ended processes; what there is to say about it. Blocks on the broker."""
    for program in gone:
        worker = WorkerLabels.of(program).slot
        try:
            launch = _launch(program)
            count = release_owner(*_owner(launch, program), launch.spec.last_attempt)
        except (OSError, ValueError, BrokerUnavailable):
            continue  # then its lease runs out
        if count:
            yield f"{worker} (pid {program.pid}) held {count} deliveries, which are back in their queues"


def keep(program: Program) -> None:
    """Push out the lease of a living process, unless it has been given back. Blocks on the broker."""
    with suppress(OSError, ValueError, BrokerUnavailable):  # then it is tried again, while it lasts
        renew_owner(*_owner(_launch(program), program))


def _launch(program: Program) -> WorkerLaunch:
    """Raises OSError, ValueError."""
    return WorkerLaunch.from_json(Path(WorkerLabels.of(program).launch_file).read_text())


def _owner(launch: WorkerLaunch, program: Program) -> tuple[BrokerSpec, str]:
    """The broker and the name by which its process holds leases."""
    # Its own broker: the declared one may be another by now.
    return launch.spec.broker, launch.identity(socket.gethostname(), program.pid)
