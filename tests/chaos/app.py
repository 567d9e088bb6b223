"""The app that a fleet under fire runs."""

from __future__ import annotations

import os
import time

from fleet import task
from tests.chaos.journal import Journal

_journal: list[Journal] = []


def journal() -> Journal:
    """Opened at first use: a publisher imports this app too."""
    if not _journal:
        _journal.append(Journal(os.environ["CHAOS_JOURNAL"]))
    return _journal[0]


@task(name="chaos.work")
def work(number: int, seconds: float) -> None:
    execution = journal().start(number)
    time.sleep(seconds)
    journal().end(number, execution)


@task(name="chaos.hold")
def hold(number: int, release: str) -> None:
    """Run until the file `release` exists; for measurements that need deliveries in flight."""
    execution = journal().start(number)
    while not os.path.exists(release):  # noqa: PTH110  keep this module's imports few
        time.sleep(0.2)
    journal().end(number, execution)
