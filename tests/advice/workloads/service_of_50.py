"""A service that slows down beyond 50 callers."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 25, 80)
SENT = 2500
_callers: list[None] = []


@task(name="work")
def work() -> None:
    _callers.append(None)
    crowd = max(1.0, len(_callers) / 50)
    time.sleep(0.1 * crowd * crowd)
    _callers.pop()
