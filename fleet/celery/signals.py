"""Celery's signals that a worker sends: a handler that fails is told in the log, and stops nothing."""

from __future__ import annotations

from typing import Any

from celery.signals import (
    celeryd_after_setup,
    celeryd_init,
    task_received,
    task_rejected,
    task_unknown,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
)

__all__ = [
    "celeryd_after_setup",
    "celeryd_init",
    "send",
    "task_received",
    "task_rejected",
    "task_unknown",
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
]


def send(signal: Any, sender: object, **arguments: Any) -> None:
    """Celery's own `send` logs what a handler raises, and goes on."""
    if signal.receivers:
        signal.send(sender=sender, **arguments)
