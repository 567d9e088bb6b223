"""How late schedules are sent, and what ten thousand of them cost at rest.

`python -m benchmarks.schedules [redis|sqlite]`: real scheduler processes, measured from outside. Lateness is when the
message was ready by the broker's clock, against its moment; the cost is the CPU time that the kernel counted. Run it
on a machine that has nothing else to do: what that machine adds is told by a process that only sleeps until the same
moments (`sleeper_late_ms`), and by its load.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.broker.open import open_store
from fleet.launch_specs import SchedulerLaunch, ScheduleSpec
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec

LATENESS_SECONDS = 30.0
REST_SECONDS = 60.0
MANY = 10_000
_PERIOD = 0.1
_KINDS = ("sqlite", "redis")  # they tell when a message became ready


def main(arguments: list[str]) -> int:
    kind = arguments[0] if arguments else "sqlite"
    if kind not in _KINDS:
        sys.stderr.write(f"expected one of {', '.join(_KINDS)}, got {kind!r}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        token = f"bench-schedules-{os.getpid()}"
        url = f"sqlite:///{folder}/broker.db" if kind == "sqlite" else "redis://127.0.0.1:6379/0"
        options = {} if kind == "sqlite" else {"global_keyprefix": f"{token}."}
        broker = BrokerSpec(url, transport_options=options)
        loads = [os.getloadavg()[0]]
        late, overslept = lateness(Path(folder), broker)
        loads.append(os.getloadavg()[0])
        share, looks = at_rest(Path(folder), broker)
        if kind == "redis":
            _forget(url, token)
    print(
        json.dumps(
            {
                "broker": kind,
                "runs": len(late),
                "late_ms": _spread(late),
                "sleeper_late_ms": _spread(overslept),
                "schedules_at_rest": MANY,
                "cpu_percent_at_rest": round(100 * share, 3),
                "context_switches_per_second": round(looks, 1),
                "load_before_between_after": [round(each, 1) for each in (*loads, os.getloadavg()[0])],
                "cpus": os.cpu_count(),
            }
        )
    )
    return 0


def _spread(values: list[float]) -> dict[str, float]:
    """Of sorted ones."""
    parts = {f"p{p}": values[min(len(values) - 1, len(values) * p // 100)] for p in (50, 95, 99)}
    return {name: round(value, 1) for name, value in {**parts, "max": values[-1]}.items()}


def lateness(folder: Path, broker: BrokerSpec) -> tuple[list[float], list[float]]:
    """Milliseconds, sorted: of the runs, and of a process that only sleeps."""
    schedules = [ScheduleSpec(f"s{n}", "bench.task", every_seconds=_PERIOD) for n in range(3)]
    overslept = []
    with running(folder, broker, schedules):
        end = time.time() + LATENESS_SECONDS
        while (now := time.time()) < end:
            moment = (now // _PERIOD + 1) * _PERIOD
            time.sleep(max(0.0, moment - now))
            overslept.append((time.time() - moment) * 1000)
    store = open_store(broker)
    claims = store.browse("bench", 100_000)
    store.purge("bench")
    store.close()
    found = []
    for claim in claims:
        moment = json.loads(claim.message.headers["x-fleet-schedule"])["moment"]
        ready = claim.ready_since or 0.0
        # Redis keeps seconds or milliseconds as its scripts do.
        found.append((ready if ready > 1e11 else ready * 1000) - moment)
    return sorted(found), sorted(overslept)


def at_rest(folder: Path, broker: BrokerSpec) -> tuple[float, float]:
    """(share of one CPU, voluntary context switches per second) with schedules that all fire in half a year."""
    month = (time.gmtime().tm_mon + 5) % 12 + 1
    schedules = [
        ScheduleSpec(f"s{n}", "bench.task", cron=f"{n % 60} {n // 60 % 24} {n // 1440 + 1} {month} *")
        for n in range(MANY)
    ]
    with running(folder, broker, schedules) as pid:
        time.sleep(5.0)
        before, switches, began = _cpu_seconds(pid), _switches(pid), time.monotonic()
        time.sleep(REST_SECONDS)
        passed = time.monotonic() - began
        return (_cpu_seconds(pid) - before) / passed, (_switches(pid) - switches) / passed


@contextmanager
def running(folder: Path, broker: BrokerSpec, schedules: list[ScheduleSpec]) -> Iterator[int]:
    known = folder / "known.json"
    known.unlink(missing_ok=True)
    routing = RoutingSpec(broker, (QueueSpec("bench"),), (RouteSpec(("*",), "bench"),))
    launch = SchedulerLaunch("bench", routing, tuple(schedules), "fleet.toml", str(known))
    file = folder / "scheduler.json"
    file.write_text(launch.to_json())
    process = subprocess.Popen([sys.executable, "-m", "fleet.scheduler", str(file)])
    try:
        while not (known.exists() and json.loads(known.read_text())["leads"]):
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _switches(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def _forget(url: str, token: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"{token}*", count=1000):
            client.delete(key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
