"""A Celery app on one of fleet's kombu transports. Runs in the venv of environment.py; fleet is on its path."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from celery import Celery, Task
from celery.worker.request import Request

import fleet.kombu  # noqa: F401  # the one step that the documentation tells

SETTINGS = json.loads(os.environ["CELERY_WORKER_SETTINGS"])

app = Celery("shop", broker=SETTINGS["broker"], backend=SETTINGS["backend"])
app.conf.update(
    task_default_queue=SETTINGS["queue"],
    task_acks_late=True,
    broker_transport_options=SETTINGS["options"],
    broker_connection_retry_on_startup=True,
    result_expires=300,
    result_backend_transport_options={"global_keyprefix": SETTINGS["token"]},
    worker_prefetch_multiplier=SETTINGS["prefetch"],
)


def note(line: str) -> None:
    """One line of the journal, whole whoever else writes."""
    descriptor = os.open(SETTINGS["journal"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


class Acknowledging(Request):
    """Notes what Celery wants to be acknowledged; whether it is, is the transport's."""

    def acknowledge(self) -> None:
        if not self.acknowledged:
            note(f"acknowledged {self.id}")
        super().acknowledge()


class Noted(Task):
    Request = Acknowledging


@app.task(base=Noted)
def slow(number: int) -> int:
    """The first eight take a moment, all others until the test opens the gate."""
    note(f"began {number}")
    time.sleep(0.1)
    while number >= 8 and not Path(SETTINGS["gate"]).exists():
        time.sleep(0.05)
    note(f"ended {number}")
    return number


@app.task
def when() -> float:
    return time.time()


@app.task(bind=True, max_retries=3)
def third_time_lucky(self) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task
def sends_more(number: int) -> None:
    add.delay(number, number).forget()
