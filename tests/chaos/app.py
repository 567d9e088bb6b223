"""The app that a fleet under fire runs."""

from __future__ import annotations

import os
import time

from fleet import Retry, current, task
from tests.chaos.journal import Journal

RETRY_SECONDS = 0.3

_journal: list[Journal] = []


def journal() -> Journal:
    """Opened at first use: a publisher imports this app too."""
    if not _journal:
        _journal.append(Journal(os.environ["CHAOS_JOURNAL"]))
        _journal[0].process()
    return _journal[0]


@task(name="chaos.work")
def work(number: int, seconds: float) -> None:
    execution = journal().start(number)
    time.sleep(seconds)
    journal().end(number, execution)


@task(name="chaos.again", max_retries=1000)
def again(number: int, seconds: float) -> None:
    """Done at the second try, which it asks for."""
    execution = journal().start(number)
    time.sleep(seconds)
    if current.attempt == 1:
        journal().again(number, execution)
        raise Retry(delay=RETRY_SECONDS)
    journal().end(number, execution)


@task(name="chaos.fail", max_retries=0)
def fail(number: int, seconds: float) -> None:
    """Done, and then a dead letter."""
    execution = journal().start(number)
    time.sleep(seconds)
    journal().end(number, execution)
    raise RuntimeError("as asked for")


@task(name="chaos.hold")
def hold(number: int, release: str) -> None:
    """Run until the file `release` exists; for measurements that need deliveries in flight."""
    execution = journal().start(number)
    while not os.path.exists(release):  # noqa: PTH110  keep this module's imports few
        time.sleep(0.2)
    journal().end(number, execution)
