"""`python -m tests.boundary.upgrade OLD [--redis URL]`: a working fleet goes from the code of OLD onto this code.

OLD is a checkout. It is installed into a venv, and a fleet started from it; then pip replaces it there, as on a host,
and only the controller is restarted. Said are the pids of workers before and after, and what became of every message
that a producer of the old code sent throughout. A command and no test: a checkout can come without the history.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.boundary.elsewhere import Elsewhere
from tests.support import ROOT, alive, eventually

TASKS = """
import os, time
from fleet import task

def _note(name, number):
    with open(name, "a") as file:
        file.write(f"{number} {os.getpid()}\\n")

@task
def io(number):
    time.sleep(0.02)
    _note("done", number)

@task
def cpu(number):
    time.sleep(0.02)
    _note("done", number)

@task
def rare(number):
    time.sleep(0.02)
    _note("done", number)
"""
PRODUCER = """
import signal, sys, time
import work
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
tasks = [work.io, work.cpu, work.rare]
number = 0
with open("sent", "a", buffering=1) as sent:
    while not ended:
        tasks[number % 3].send(number)
        sent.write(f"{number}\\n")
        number += 1
        time.sleep(0.02)
"""
FILE = """\
[fleet]
name = "upgraded"
app = "work"
{broker}
[queues.io]
workload = "io"

[queues.cpu]
workload = "cpu"

[queues.rare]
workload = "io"

[[routes]]
task = "work.io"
queue = "io"

[[routes]]
task = "work.cpu"
queue = "cpu"

[[routes]]
task = "work.rare"
queue = "rare"

[workers.threads]
queues = ["io"]
pool = "threads"
concurrency = 3
replicas = 2

[workers.children]
queues = ["cpu"]
pool = "prefork"
concurrency = 2
max_tasks = 50

[workers.lone]
queues = ["rare"]
pool = "solo"

[rollout]
min_ready = "200ms"
progress_deadline = "30s"
"""
SLOTS = ("threads/0", "threads/1", "children/0", "lone/0")
MORE = 60  # messages that are done before the next step


class Upgraded(Elsewhere):
    """A fleet that runs from a venv of its own."""

    def __init__(self, folder: Path, broker_url: str | None) -> None:
        broker = f'\n[broker]\nurl = "{broker_url}"\n' if broker_url else ""
        python = folder / "venv" / "bin" / "python"
        super().__init__(folder, FILE.format(broker=broker), TASKS, python=python, code=folder)
        venv.create(folder / "venv")
        # Libraries are this interpreter's; a line of a .pth adds the folder without what links this checkout into it.
        for packages in (folder / "venv").glob("lib/*/site-packages"):
            (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
        self.producer: subprocess.Popen[bytes] | None = None

    def install(self, checkout: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q"]
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall"]
        subprocess.run([*pip, *options, str(checkout)], check=True)

    @contextmanager
    def producing(self) -> Iterator[None]:
        log = self.folder / "producer.log"
        with log.open("wb") as output:
            self.producer = subprocess.Popen(
                [self.python, "-c", PRODUCER],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        try:
            yield
        finally:
            self.end_producing()
        assert self.producer.returncode == 0, log.read_text()

    def end_producing(self) -> None:
        assert self.producer is not None
        self.producer.send_signal(signal.SIGTERM)
        self.producer.wait(30)

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def done(self) -> Counter[str]:
        return Counter(line.split()[0] for line in self.lines("done"))

    def work_goes_on(self) -> None:
        """What is sent from now on is done, in each of the groups."""
        start = len(self.lines("sent"))
        eventually(lambda: len(self.lines("sent")) > start + MORE, within=60, message="it is sent")
        wanted = self.lines("sent")[start : start + MORE]
        eventually(lambda: set(wanted) <= self.done().keys(), within=60, message="work goes on")


def upgrade(folder: Path, old: Path, broker_url: str | None) -> None:
    say("installing the old code")
    fleet = Upgraded(folder, broker_url)
    fleet.install(old)
    with fleet, fleet.producing():
        before = fleet.settled(*SLOTS, within=60)
        old_status = fleet.status()
        controller = old_status["controller"]
        fleet.work_goes_on()
        say(f"old code: controller {controller}, workers {before}")

        fleet.install(ROOT)
        assert fleet.settled(*SLOTS) == before
        fleet.work_goes_on()
        say("pip has replaced it under the running fleet: work goes on")

        os.kill(before["lone/0"], signal.SIGKILL)
        eventually(lambda: not alive(before["lone/0"]))
        killed, before = before, fleet.settled(*SLOTS, within=30)
        assert {slot for slot in SLOTS if before[slot] != killed[slot]} == {"lone/0"}
        fleet.work_goes_on()
        say("a worker that dies meanwhile is replaced by one of the new code under the old controller")

        taken = json.loads(fleet.command("restart", "--controller", "--json").stdout)["controller"]
        assert taken["pid"] != controller["pid"]
        assert fleet.settled(*SLOTS, within=30) == before
        status = fleet.status()
        assert status["state"] == "healthy"
        told = sorted(status.keys() - old_status.keys())
        assert told, "this code tells more than the old"
        fleet.work_goes_on()
        assert fleet.settled(*SLOTS) == before
        say(f"taken over by {taken}: every worker kept its pid, work goes on; status now tells {told}")

        assert not json.loads(fleet.command("plan", "--json").stdout)["changes"]
        fleet.edit("replicas = 2", "replicas = 3")
        grown = fleet.settled(*SLOTS, "threads/2", within=30)
        assert before.items() <= grown.items()
        say("an edit starts one worker of the new code beside those of the old")

        fleet.command("restart")
        after = fleet.settled(*SLOTS, "threads/2", within=60)
        assert not set(after.values()) & set(before.values())
        assert not any(alive(pid) for pid in before.values())
        fleet.work_goes_on()
        say(f"rolled out to the new code: workers {after}")

        fleet.end_producing()
        sent = set(fleet.lines("sent"))
        eventually(lambda: sent <= fleet.done().keys(), within=60, message="everything sent is done")
        twice = [number for number, times in fleet.done().items() if times > 1]
        dead = json.loads(fleet.command("dead", "list", "--json").stdout)
        say(f"sent {len(sent)}, lost 0, done twice {len(twice)}; dead: {json.dumps(dead)}")
    say("and it ended on SIGTERM with nothing left behind")


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.boundary.upgrade")
    parser.add_argument("old", type=Path, help="a checkout of the code to come from")
    parser.add_argument("--redis", metavar="URL", help="else the embedded SQLite broker")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        upgrade(Path(folder), given.old.resolve(), given.redis)


if __name__ == "__main__":
    sys.exit(main())
