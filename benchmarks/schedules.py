"""How late schedules are sent, and what ten thousand of them cost at rest.

`python -m benchmarks.schedules [redis|sqlite|rabbitmq]`: real scheduler processes, measured from outside. Lateness is
when the message was ready by the broker's clock, against its moment; RabbitMQ does not tell that, so there it is when
a consumer has it. The cost is the CPU time that the kernel counted. Run it
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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from fleet.broker.open import open_store
from fleet.launch_specs import SchedulerLaunch, ScheduleSpec
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec

LATENESS_SECONDS = 30.0
REST_SECONDS = 60.0
MANY = 10_000
_PERIOD = 0.1
_URLS = {
    "sqlite": "sqlite:///FOLDER/broker.db",
    "redis": "redis://127.0.0.1:6379/0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
}


def main(arguments: list[str]) -> int:
    kind = arguments[0] if arguments else "sqlite"
    if kind not in _URLS:
        sys.stderr.write(f"expected one of {', '.join(_URLS)}, got {kind!r}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        token = f"bench-schedules-{os.getpid()}"
        url = _URLS[kind].replace("FOLDER", folder)
        options = {"global_keyprefix": f"{token}."} if kind == "redis" else {}
        broker = BrokerSpec(url, transport_options=options)
        loads = [os.getloadavg()[0]]
        late, overslept = lateness(Path(folder), broker)
        loads.append(os.getloadavg()[0])
        share, looks = at_rest(Path(folder), broker)
        if kind == "redis":
            _forget(url, token)
        if kind == "rabbitmq":
            _delete_queues(url)
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
    seen = _Consumer(broker.url) if broker.url.startswith("amqp") else None
    with running(folder, broker, schedules), seen or nullcontext():
        end = time.time() + LATENESS_SECONDS
        while (now := time.time()) < end:
            moment = (now // _PERIOD + 1) * _PERIOD
            time.sleep(max(0.0, moment - now))
            overslept.append((time.time() - moment) * 1000)
    if seen is not None:
        return sorted(seen.late), sorted(overslept)
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


class _Consumer:
    """`late`: milliseconds of each message when it came, as long as this is entered."""

    def __init__(self, url: str) -> None:
        self.late: list[float] = []
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        import kombu

        def came(_body: object, message: kombu.Message) -> None:
            moment = json.loads(message.headers["x-fleet-schedule"])["moment"]
            self.late.append(time.time() * 1000 - moment)

        with kombu.Connection(self._url) as connection:
            queue = kombu.Queue("bench", durable=True, no_declare=True)
            with connection.Consumer(queue, callbacks=[came], no_ack=True, accept=["json"]):
                while not self._over.is_set():
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=0.5)


def _delete_queues(url: str) -> None:
    import kombu

    with kombu.Connection(url) as connection:
        for name in ("bench", "_fleet.schedules.bench"):
            connection.default_channel.queue_delete(name)


def _forget(url: str, token: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"{token}*", count=1000):
            client.delete(key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
