"""The loop's context: what the parts of a worker's loop share, put together once and handed to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.launch_specs import WorkerLaunch
from fleet.worker.connection import BrokerConnection
from fleet.worker.log import Log
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings
from fleet.worker.state import Gate
from fleet.worker.stats import Stats


@dataclass(frozen=True, slots=True)
class LoopContext:
    """For the loop's thread, as far as its members don't say otherwise."""

    launch: WorkerLaunch
    settings: Settings
    connection: BrokerConnection
    prefetch: Prefetch
    reactor: Reactor
    gate: Gate
    stats: Stats
    log: Log
    random: Callable[[], float]  # [0, 1)
