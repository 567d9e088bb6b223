"""Pure Python that computes."""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, "cpus/2", "cpus")
SENT = 60


@task(name="work")
def work() -> None:
    sum(number * number % 7 for number in range(400_000))
