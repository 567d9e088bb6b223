"""A client of the app: `python -m tests.celery_worker.client STORY` does it and prints what it saw as JSON."""

from __future__ import annotations

import json
import sys
import time

from celery import chord, group

from tests.celery_worker.app import add, app, sends_more, slow, third_time_lucky, total, when

_PATIENCE = 90


def everything() -> dict[str, object]:
    """What Celery's users do, with the results of it."""
    sent = [add.delay(number, 1) for number in range(150)]
    sums = [result.get(timeout=_PATIENCE) for result in sent]
    eta = time.time() + 1.5
    ran_at = when.apply_async(countdown=1.5).get(timeout=_PATIENCE)
    grouped = group(add.s(number, number) for number in range(20))().get(timeout=_PATIENCE)
    sends_more.delay(1).get(timeout=_PATIENCE)
    return {
        "sums": sums,
        "waited": ran_at - eta,
        "group": grouped,
        "chord": chord(add.s(number, number) for number in range(20))(total.s()).get(timeout=_PATIENCE),
        "retries": third_time_lucky.delay().get(timeout=_PATIENCE),
        "priorities": [
            add.apply_async((1, 1), priority=priority).get(timeout=_PATIENCE) for priority in (0, 5, 9)
        ],
        "ping": app.control.ping(timeout=10, limit=1),
        "stats": list((app.control.inspect(timeout=10, limit=1).stats() or {}).values()),
        "queues": [
            queue["name"]
            for queues in (app.control.inspect(timeout=10, limit=1).active_queues() or {}).values()
            for queue in queues
        ],
    }


def send_slow() -> int:
    """Forty tasks."""
    for number in range(40):
        slow.delay(number)
    return 40


def one() -> int:
    return int(add.delay(1, 2).get(timeout=_PATIENCE))


def ping() -> object:
    return app.control.ping(timeout=10, limit=1)


STORIES = {"everything": everything, "send_slow": send_slow, "one": one, "ping": ping}

if __name__ == "__main__":
    print(json.dumps(STORIES[sys.argv[1]]()))
