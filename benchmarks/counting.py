"""What it costs a worker's loop to count one task: `python -m benchmarks.counting`, microseconds, best of several runs.

Outcome, seconds, both histograms, and the list of the last thousand, as the loop counts them; CPU time of its thread,
without the call and the loop around it. `failure`: with the group of its error; at most 20 a second are looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec
from fleet.telemetry import RETRIED, SUCCEEDED
from fleet.worker.outcome import Outcome
from fleet.worker.settings import Settings
from fleet.worker.stats import Stats

TASKS = 30
RUNS = 7
TRACEBACK = (
    'Traceback:\n  File "/srv/shop/tasks.py", line 12, in resize\n    return image()\nValueError: no\n'
)


def stats() -> Stats:
    spec = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), "threads", 3)
    made = Stats(
        "g/0", "r", state=lambda: "ready", settings=Settings(WorkerLaunch("g/0", 0, "r", spec, "", ""))
    )
    made.statistics.learn(frozenset(f"shop.tasks.task{number}" for number in range(TASKS)))
    return made


def deliveries() -> list[Delivery]:
    sent = int(time.time() * 1000)
    headers = [
        {"task": f"shop.tasks.task{number}", "id": str(number), "sent": sent} for number in range(TASKS)
    ]
    return [
        Delivery(tag=number, queue="images", body=b"", headers=each) for number, each in enumerate(headers)
    ]


def measure(count: Callable[[Delivery, float], object], times: int) -> float:
    """Microseconds for each, the best of the runs."""
    ring, best = deliveries() * (times // TASKS), float("inf")
    for _ in range(RUNS):
        now = time.monotonic()
        began = time.thread_time()
        for delivery in ring:
            count(delivery, now)
        best = min(best, (time.thread_time() - began) / len(ring) * 1e6)
    return best


def figures(times: int = 90_000) -> dict[str, float]:
    done = Outcome("succeeded", wall_seconds=0.0123, cpu_seconds=0.004)
    failed = Outcome("failed", "ValueError: no", TRACEBACK, wall_seconds=0.0123, cpu_seconds=0.004)
    statistics = stats().statistics
    nothing = measure(lambda _delivery, _now: None, times)
    found = {
        "a success": measure(
            lambda each, now: statistics.count(each, done, SUCCEEDED, now - 0.02, now), times
        ),
        "a failure": measure(
            lambda each, now: statistics.count(each, failed, RETRIED, now - 0.02, now), times
        ),
    }
    return {name: each - nothing for name, each in found.items()}


if __name__ == "__main__":
    for name, microseconds in figures().items():
        print(f"{name:16} {microseconds:.2f} µs a task")
