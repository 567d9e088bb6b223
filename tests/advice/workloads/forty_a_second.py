"""A service that answers after 100 ms, and takes 40 a second of each client.

Four at once are 40 a second by Little's law, and whoever is beyond that waits for the next one's turn inside of a
slot. With three it is three quarters of that; eight leave room for a service that has become slower.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 3, 8)
START = ("gevent", 50)
SENT = 400
_turns = [0.0]


@task(name="work")
def work() -> None:
    now = time.monotonic()
    _turns[0] = turn = max(_turns[0] + 1 / 40, now)
    time.sleep(turn - now + 0.1)
