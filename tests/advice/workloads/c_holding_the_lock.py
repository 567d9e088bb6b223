"""C code that computes and keeps the interpreter lock."""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, "cpus/2", "cpus")
SENT = 60
_NUMBERS = [(number * 7919) % 1_000_003 for number in range(120_000)]


@task(name="work")
def work() -> None:
    sorted(_NUMBERS)
    sorted(_NUMBERS, reverse=True)
