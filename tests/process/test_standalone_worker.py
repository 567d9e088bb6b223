"""`fleet worker GROUP` as an engine runs it: alone, as process 1, probed, killed and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers import free_port
from tests.conftest import OwnRedis, forget_redis_keys
from tests.support import ROOT, alive, descendants, eventually

pytestmark = pytest.mark.process

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL")
FILE = """\
[fleet]
name = "pod"
app = "tasks"

[broker]
url = "{url}"
lease = "60s"

[queues."{queue}"]
workload = "io"

[[routes]]
task = "*"
queue = "{queue}"

[workers.w]
queues = ["{queue}"]
pool = "{pool}"
concurrency = 4
max_deliveries = 20
max_tasks = 100_000
grace_period = "10s"
"""
TASKS = """\
import pathlib, re, subprocess, time
from fleet import task

def note(text):
    with open("journal", "a") as file:
        file.write(text + "\\n")

@task
def mark(text):
    note(text)

@task
def nap(text, seconds):
    note(f"began {text}")
    time.sleep(seconds)
    note(f"ended {text}")

@task
def orphans():
    subprocess.run(["sh", "-c", "(sleep 0.2 & sleep 0.3 & sleep 0.4 &)"], check=True)
    note("orphans")

@task
def follow():
    mark.send("followed")
"""


@dataclass
class Pod:
    """A folder with a file, and what is run in it."""

    folder: Path
    port: int

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "fleet", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "FLEET_INSTANCE": self.folder.name}

    def send(self, *arguments: str) -> None:
        subprocess.run(
            self.command("send", *arguments),
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def output(self) -> str:
        return (self.folder / "output").read_text()

    @contextmanager
    def worker(self, *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [*prefix, *self.command("worker", "w", "--listen", f"127.0.0.1:{self.port}")],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            below = descendants(process.pid)
            process.kill()
            process.wait()
            eventually(lambda: not any(map(alive, below)), within=15, message="nothing is left")

    def asked(self, path: str) -> tuple[int, str]:
        """Status and text; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until_ready(self) -> None:
        eventually(lambda: self.asked("/ready")[0] == 200, within=30, message="it is ready")


@pytest.fixture
def there(short_folder: Path, redis_url: str, request: pytest.FixtureRequest) -> Iterator[Pod]:
    """With the pool that is the test's indirect parameter."""
    pool = getattr(request, "param", "threads")
    yield pod(short_folder, redis_url, pool)
    forget_redis_keys(redis_url, f"pod-{short_folder.name}")


def pod(folder: Path, url: str, pool: str = "threads") -> Pod:
    (folder / "fleet.toml").write_text(FILE.format(url=url, pool=pool, queue=f"pod-{folder.name}"))
    (folder / "tasks.py").write_text(TASKS)
    return Pod(folder, free_port())


def container() -> tuple[str, ...]:
    if not shutil.which("unshare") or subprocess.run([*CONTAINER, "true"], check=False).returncode:
        pytest.skip("needs the right to make namespaces (root, or user namespaces)")
    return CONTAINER


def first_inside(outer: int) -> int:
    """The pid, seen from here, of what is process 1 in there."""
    children = Path(f"/proc/{outer}/task/{outer}/children")
    return int(eventually(lambda: children.read_text().split())[0])


@pytest.mark.parametrize("there", ["solo", "threads", "gevent", "eventlet", "prefork"], indirect=True)
def test_a_worker_alone_runs_tasks_answers_probes_and_drains(there: Pod) -> None:
    with there.worker() as process:
        there.until_ready()
        assert not (there.folder / ".fleet").exists(), "nothing is written"
        there.send("tasks.follow")
        eventually(lambda: "followed" in there.journal(), message="a task sends by the file's rules")
        there.send("tasks.nap", "x", "1.5")
        eventually(lambda: "began x" in there.journal())
        assert there.asked("/live")[0] == 200
        status, text = there.asked("/metrics")
        assert status == 200
        assert 'fleet_worker_tasks_total{group="w",worker="w/0",outcome="succeeded"} 2' in text
        process.terminate()
        assert process.wait(15) == 0
    assert there.journal()[-1] == "ended x", "what had begun was finished"


@pytest.mark.parametrize("milliseconds", [0, 50, 100, 150, 200, 300, 400, 500, 600])
@pytest.mark.parametrize("as_first", [False, True], ids=["plain", "process-1"])
def test_sigterm_ends_a_worker_whenever_it_comes(there: Pod, milliseconds: int, as_first: bool) -> None:
    prefix = container() if as_first else ()
    with there.worker(*prefix) as process:
        pid = first_inside(process.pid) if as_first else process.pid
        if as_first:
            # Before the interpreter runs any line of ours the kernel keeps what is sent from process 1: it must have
            # come so far (docs/decisions/0113-process-1.md).
            eventually(lambda: hears_sigterm(pid), message="it hears")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(milliseconds / 1000)  # the moment is what is tested
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not alive(pid), within=8, message="it ends")


def hears_sigterm(pid: int) -> bool:
    caught = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
    )
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_process_1_leaves_no_zombies(there: Pod) -> None:
    with there.worker(*container()) as outer:
        there.until_ready()
        there.send("tasks.orphans", "--count", "3")
        eventually(lambda: there.journal().count("orphans") == 3)
        first = first_inside(outer.pid)

        def only_the_worker() -> bool:
            return len(Path(f"/proc/{first}/task/{first}/children").read_text().split()) == 1

        eventually(only_the_worker, message="orphans are reaped")
        os.kill(first, signal.SIGTERM)
        assert outer.wait(15) == 0


def test_a_worker_killed_and_started_again_as_the_same_process_frees_its_messages(there: Pod) -> None:
    with there.worker(*container()) as outer:
        there.until_ready()
        there.send("tasks.nap", "long", "600")
        eventually(lambda: there.journal() == ["began long"])
        os.kill(first_inside(outer.pid), signal.SIGKILL)
        outer.wait(10)
    with there.worker(*container()):
        there.until_ready()
        # The lease is a minute.
        eventually(lambda: there.journal() == ["began long"] * 2, within=10, message="it comes again at once")


def test_a_worker_frees_nothing_of_one_that_lives_beside_it(there: Pod) -> None:
    with there.worker(*container()):
        there.until_ready()
        there.send("tasks.nap", "long", "4")
        eventually(lambda: there.journal() == ["began long"])
        beside = Pod(there.folder, free_port())
        with beside.worker(*container()):
            beside.until_ready()
            eventually(lambda: "ended long" in there.journal(), within=20)
    assert there.journal() == ["began long", "ended long"]


def test_the_broker_s_absence_is_no_reason_to_replace_a_worker(
    short_folder: Path, own_redis: OwnRedis
) -> None:
    there = pod(short_folder, own_redis.url)
    with there.worker() as process:
        there.until_ready()
        own_redis.stop()
        eventually(lambda: there.asked("/ready")[0] == 503, message="it is not ready")
        status, text = there.asked("/live")
        assert (status, json.loads(text)["live"]) == (200, True)
        own_redis.start()
        there.until_ready()
        there.send("tasks.mark", "after")
        eventually(lambda: "after" in there.journal())
        assert process.poll() is None


def test_what_the_file_does_not_have_is_refused_with_78(there: Pod) -> None:
    ended = subprocess.run(
        there.command("worker", "nope"),
        cwd=there.folder,
        env=there.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78
    assert "no worker group 'nope'" in ended.stderr
    assert "there are: w" in ended.stderr
    (there.folder / "fleet.toml").write_text("[fleet]\nname = 3\n")
    ended = subprocess.run(
        there.command("worker", "w"),
        cwd=there.folder,
        env=there.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78


def test_a_port_that_is_taken_is_named(there: Pod) -> None:
    with there.worker():
        there.until_ready()
        with Pod(there.folder, there.port).worker() as second:
            assert second.wait(20) == 3
        assert f"--listen 127.0.0.1:{there.port}: " in there.output()
