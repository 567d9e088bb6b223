"""How long the work of a killed worker waits: from `kill -9` to the first of its deliveries that runs again.

`python benchmarks/redelivery.py [ROUNDS]`, with fleet's own Python, on a machine with the brokers' server
programs. A real `fleet up` each round (default 5): its worker holds 50 deliveries, all running, when it is
killed; beside it another worker is idle, or there is none and the replacement has to boot. Every broker is a
server, or a file, of the round's own.
"""

from __future__ import annotations

import os
import platform
import signal
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fleet.broker.delivery import Posting  # noqa: E402
from fleet.broker.producer import Producer  # noqa: E402
from fleet.protocol import Call, encode  # noqa: E402
from fleet.spec import BrokerSpec, QueueSpec  # noqa: E402
from tests.brokers import OwnRabbit, OwnRedis  # noqa: E402
from tests.running import RunningFleet  # noqa: E402
from tests.support import eventually  # noqa: E402

HELD = 50
BROKERS = ("SQLite", "Redis", "RabbitMQ")
BESIDE = {"another worker idle": 2, "the only worker": 1}

FILE = """\
[fleet]
name = "redelivery"
app = "work"

[broker]
url = "{url}"

[queues.held]
workload = "io"

[[routes]]
task = "*"
queue = "held"

[workers.w]
queues = ["held"]
pool = "threads"
concurrency = {held}
grace_period = "1s"
"""

WORK = """
import os, time
from fleet import current, task

@task
def hold():
    line = f"{current.id} {os.getpid()} {time.monotonic()}\\n"  # one clock for all processes of a machine
    journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, line.encode())
    os.close(journal)
    time.sleep(3600)
"""


def begun(folder: Path) -> list[tuple[str, int, float]]:
    """(message, pid, monotonic seconds) of every start of a task."""
    journal = folder / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [(name, int(pid), float(at)) for name, pid, at in (line.split() for line in lines)]


def round_of(url: str, folder: Path, replicas: int) -> float:
    (folder / "fleet.toml").write_text(FILE.format(url=url, held=HELD))
    (folder / "work.py").write_text(textwrap.dedent(WORK))
    with RunningFleet(folder, env={"JOURNAL": str(folder / "journal")}) as fleet:
        producer = Producer(BrokerSpec(url))
        calls = [Posting("held", encode(Call(f"m{number}", "work.hold", ()))) for number in range(HELD)]
        producer.publish(calls, QueueSpec("held", dead_letter="held.dead"))
        producer.close()
        eventually(lambda: len(begun(folder)) == HELD, within=60)
        [holder] = {pid for _, pid, _ in begun(folder)}
        if replicas > 1:
            fleet.command("scale", f"w={replicas}")
            eventually(lambda: len(fleet.pids("w")) == replicas, within=60)
            time.sleep(2)  # idle, and waiting
        killed_at = time.monotonic()
        os.kill(holder, signal.SIGKILL)
        eventually(lambda: len(begun(folder)) > HELD, within=120)
        return min(at for _, pid, at in begun(folder) if pid != holder) - killed_at


@contextmanager
def broker(name: str, folder: Path) -> Iterator[str]:
    if name == "SQLite":
        yield f"sqlite:///{folder}/broker.db"
        return
    server = OwnRedis() if name == "Redis" else OwnRabbit()
    server.start()
    try:
        yield server.url
    finally:
        server.destroy()


def measure(name: str, replicas: int, rounds: int) -> list[float]:
    seconds = []
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as folder,
            broker(name, Path(folder)) as url,
        ):
            seconds.append(round_of(url, Path(folder), replicas))
    return seconds


def main(rounds: int) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(f"kill -9 of a worker with {HELD} running tasks → the first of them runs again; {rounds} rounds\n")
    print(f"| broker | {' | '.join(f'{beside}, median | worst' for beside in BESIDE)} |")
    print(f"|---|{'---|' * 2 * len(BESIDE)}")
    for name in BROKERS:
        cells = []
        for replicas in BESIDE.values():
            found = measure(name, replicas, rounds)
            cells += [f"{statistics.median(found) * 1000:.0f} ms", f"{max(found) * 1000:.0f} ms"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
