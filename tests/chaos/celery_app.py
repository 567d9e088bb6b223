"""The same app for Celery, and its publisher: under Celery in a venv of its own, which has no fleet, and under fleet.

`python -m tests.chaos.celery_app FOLDER WORK` publishes. The settings are the kindest to Celery that keep the
promise of at least once: late acks, confirmed publishing, a heartbeat as short as fleet's in these runs, a
visibility timeout of half a minute instead of an hour, a socket timeout instead of two minutes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError

from tests.chaos.journal import Journal
from tests.chaos.messages import Work
from tests.chaos.publisher import publish

_URL = os.environ["CHAOS_BROKER"]
_OPTIONS = {
    "redis": {"visibility_timeout": 30, "socket_timeout": 10},
    "amqp": {"confirm_publish": True},
}

app = Celery("chaos", broker=_URL)
app.conf.update(
    task_default_queue="chaos",
    task_ignore_result=True,
    task_acks_late=True,
    # None, Celery's default, is the same to Celery as False. To fleet only False says that it is to be recorded.
    task_reject_on_worker_lost=os.environ["CHAOS_REJECT"] == "1" or None,
    broker_heartbeat=4,
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options=_OPTIONS[_URL.partition("://")[0]],
)

_journal: list[Journal] = []


@app.task(name="chaos.work")
def work(number: int, seconds: float) -> None:
    if not _journal:
        _journal.append(Journal(os.environ["CHAOS_JOURNAL"]))
        _journal[0].process()
    execution = _journal[0].start(number)
    time.sleep(seconds)
    _journal[0].end(number, execution)


def _send(number: int, seconds: float) -> None:
    # Not Celery's own retry: the publisher notes each try.
    work.apply_async((number, seconds), retry=False)


def _unsent() -> tuple[type[BaseException], ...]:
    """What a client gets from a broker that is away, or refuses."""
    transport = app.connection_for_write().transport
    return OperationalError, OSError, *transport.connection_errors, *transport.channel_errors


if __name__ == "__main__":
    publish(
        Work(**json.loads(sys.argv[2])),
        Journal(str(Path(sys.argv[1]) / "journal")),
        lambda _fate: _send,
        _unsent(),
    )
