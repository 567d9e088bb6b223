"""`python -m benchmarks.side LIBRARY COMMAND …`: what is done with a library, in the library's own Python.

preload N TASK [ARGUMENT]     put N messages into the queue
publish N                     send N messages one by one; prints messages per second
batch N                       the same by the library's way for many, where it has one
latency N                     send N stamped messages, one every 20 ms
fill N BYTES                  put N messages of about so many bytes into the queue
mix N                         send N tasks of 1 ms, and of 2 s a few, in bursts (see `fairness`)
launch FOLDER                 (fleet) write a worker's launch file
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Any

from benchmarks.ideal import mix

_EVERY_SECONDS = 0.02
_BATCH_BYTES = 8_000_000


def main(library: str, command: str, *arguments: str) -> None:
    side = import_module(f"benchmarks.libraries.{library}_")
    match command:
        case "preload":
            rest = [float(each) for each in arguments[2:]]
            side.preload(arguments[1], repeat(rest, int(arguments[0])))
        case "fill":
            _fill(side, int(arguments[0]), int(arguments[1]))
        case "publish":
            side.send("noop")  # connects
            _timed(int(arguments[0]), lambda: side.send("noop"))
        case "batch":
            side.send("noop")
            _batch(side, int(arguments[0]))
        case "latency":
            _latency(side, int(arguments[0]))
        case "mix":
            _mix(side, int(arguments[0]))
        case "launch":
            print(side.launch(Path(arguments[0])))
    side.close()


def _timed(number: int, once: Any) -> None:
    began = time.perf_counter()
    for _ in range(number):
        once()
    print(number / (time.perf_counter() - began))


def _batch(side: Any, number: int) -> None:
    began = time.perf_counter()
    side.preload("noop", repeat((), number))
    print(number / (time.perf_counter() - began))


def _latency(side: Any, number: int) -> None:
    side.send("noop")  # connects
    for _ in range(number):
        time.sleep(_EVERY_SECONDS)
        side.send("stamp", time.monotonic_ns())


def _fill(side: Any, number: int, size: int) -> None:
    """Not more than some megabytes in one batch: brokers and their clients hold a batch in memory."""
    most = max(1, _BATCH_BYTES // size)
    for begin in range(0, number, most):
        side.preload("take", repeat(("x" * size,), min(most, number - begin)))


def _mix(side: Any, number: int) -> None:
    side.send("noop")  # connects
    began = time.monotonic()
    for at, seconds in mix(number):
        time.sleep(max(0.0, began + at - time.monotonic()))
        side.send("job", time.monotonic_ns(), seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
