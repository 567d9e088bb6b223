"""Tasks that need the application's context, and belong to no app by name."""

import time

from celery import shared_task
from flask import current_app


@shared_task(ignore_result=False)
def add_with_tax(cents: list[int]) -> int:
    return sum(cents) * (100 + current_app.config["TAX_PERCENT"]) // 100


@shared_task(bind=True, ignore_result=False)
def count_up(self, to: int) -> int:
    """Tells how far it is."""
    for number in range(to):
        self.update_state(state="PROGRESS", meta={"current": number + 1, "total": to})
        time.sleep(0.1)
    return to


@shared_task(ignore_result=False)
def refuse(reason: str) -> None:
    raise ValueError(reason)
