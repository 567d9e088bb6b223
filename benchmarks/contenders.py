"""Who runs against whom: for each library and setting the command of its worker, and what it guarantees."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import ROOT

PEERS = ROOT / ".cache" / "peers"
# Those that do not go with today's redis-py.
OLDER_PEERS = ROOT / ".cache" / "older-peers"
_OLDER = ("arq", "saq")


@dataclass(frozen=True)
class Contender:
    """`name` as the tables show it; `rate` (tasks per second, about) says how many messages make a run."""

    name: str
    library: str
    broker: str  # redis | rabbitmq | sqlite
    pool: str
    concurrency: int = 2
    rate: int = 1000
    settings: dict[str, str] = field(default_factory=dict)  # environment
    loses: bool = False  # messages, when it is killed

    @property
    def key(self) -> str:
        """As results name it."""
        return f"{self.broker}: {self.name}"

    @property
    def python(self) -> str:
        """One for nearly all, so that fleet and its peers run on the same interpreter and the same redis-py."""
        return str((OLDER_PEERS if self.library in _OLDER else PEERS) / "bin" / "python")

    def environment(self, url: str, queue: str, marks: Path) -> dict[str, str]:
        return {
            "BENCH_BROKER": url,
            "BENCH_QUEUE": queue,
            "BENCH_MARKS": str(marks),
            "BENCH_POOL": self.pool,
            "BENCH_CONCURRENCY": str(self.concurrency),
            "PYTHONPATH": str(ROOT),
            **self.settings,
        }

    def command(self, queue: str, folder: Path) -> list[str]:  # noqa: PLR0911  one for each library
        """Of a worker. fleet's launch file must have been written into `folder`."""
        many = str(self.concurrency)
        match self.library:
            case "fleet" | "fleet_celery":
                return [self.python, "-m", "fleet.worker", str(folder / "launch.json")]
            case "raw":
                return [self.python, "-m", "benchmarks.raw", self.pool]
            case "celery":
                return [
                    *(self.python, "-m", "celery", "-A", "benchmarks.libraries.celery_", "worker"),
                    *("-P", self.pool, "-c", many, "-Q", queue, "-l", "WARNING"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ]
            case "dramatiq":
                processes, threads = self._dramatiq_slots()
                return [
                    *(self.python, "-m", "dramatiq", "benchmarks.libraries.dramatiq_"),
                    *("-p", str(processes), "-t", str(threads), "--queues", queue),
                ]
            case "taskiq":
                return [
                    *(self.python, "-m", "taskiq", "worker", "benchmarks.libraries.taskiq_:broker"),
                    *("--workers", many, "--ack-type", "when_executed", "--log-level", "WARNING"),
                    *("--max-async-tasks", "500"),
                ]
            case "arq" | "saq":
                settings = {"arq": "arq_.WorkerSettings", "saq": "saq_.settings"}[self.library]
                return [self.python, "-m", self.library, f"benchmarks.libraries.{settings}"]
            case "huey":
                patched = ["-m", "gevent.monkey"] if self.pool == "greenlet" else []
                return [
                    *(self.python, *patched, str(PEERS / "bin" / "huey_consumer")),
                    *("benchmarks.libraries.huey_.huey", "-k", self.pool, "-w", many, "-q"),
                ]
        raise ValueError(self.library)

    def _dramatiq_slots(self) -> tuple[int, int]:
        """Processes, and threads in each."""
        if self.pool == "process":
            return self.concurrency, 1
        processes = 2 if self.concurrency > 8 else 1
        return processes, self.concurrency // processes


def fleet(broker: str, pool: str, concurrency: int, rate: int = 0) -> Contender:
    return Contender(sized("fleet", pool, concurrency), "fleet", broker, pool, concurrency, rate)


def celery(broker: str, pool: str, concurrency: int, rate: int = 0, *, tuned: bool = False) -> Contender:
    name = sized("Celery", pool, concurrency) + (" tuned" if tuned else "")
    settings = {"BENCH_PREFETCH": "64"} if tuned else {}
    return Contender(name, "celery", broker, pool, concurrency, rate, settings)


def celery_app(
    broker: str, pool: str, concurrency: int, rates: tuple[int, int], *, results: bool
) -> list[Contender]:
    """The same Celery app on fleet and on Celery; so many tasks a second, about. `results`: on Redis."""
    more = " with results" if results else ""
    settings = {"BENCH_RESULTS": "redis"} if results else {}
    of_fleet, of_celery = (sized(name, pool, concurrency) + more for name in ("fleet, Celery app,", "Celery"))
    return [
        Contender(of_fleet, "fleet_celery", broker, pool, concurrency, rates[0], settings),
        Contender(of_celery, "celery", broker, pool, concurrency, rates[1], settings),
    ]


def sized(library: str, pool: str, concurrency: int) -> str:
    return f"{library} {pool}" + ("" if pool == "solo" else f" {concurrency}")
