"""A service that slows down beyond 50 callers.

Up to 50 callers are served in 100 ms each, 500 a second; with more each waits by the square of the crowd, so that
the rate falls again: 70 get 357 a second, as 35 do.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 35, 70)
START = ("gevent", 200)
SENT = 2500
_callers: list[None] = []


@task(name="work")
def work() -> None:
    _callers.append(None)
    crowd = max(1.0, len(_callers) / 50)
    time.sleep(0.1 * crowd * crowd)
    _callers.pop()
