"""Workers that are forked from a zygote: like any other in all but how they start, and never dependent on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import kombu
import psutil
import pytest

from tests.process.following import Following
from tests.support import alive, eventually, unique

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux has subreapers"),
]

APP = """
import os, random, time
from fleet import task

VERSION = 1

@task
def greet(name):
    print(f"hello {name} from {VERSION}")

@task
def draw():
    print(f"drawn {random.random()}")

@task
def linger(path):
    open(path + ".begun", "w").close()
    while not os.path.exists(path):
        time.sleep(0.01)
    print("lingered to the end")
"""

FILE = """\
[fleet]
name = "preloading"
app = "work"

[queues.a]

[queues.b]

[defaults]
preload = true
grace_period = "20s"

[workers.first]
queues = ["a"]
pool = "solo"
replicas = 2

[rollout]
min_ready = "100ms"
"""

SECOND = """
[workers.second]
queues = ["b"]
pool = "threads"
concurrency = 2
"""


class Preloading(Following):
    def __init__(self, folder: Path, text: str = FILE, app: str = APP) -> None:
        super().__init__(folder, text, app)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def write_app(self, app: str) -> None:
        (self.folder / "work.py").write_text(app)

    def zygotes(self) -> set[int]:
        """Children of the supervisor that take orders at their stdin."""
        children = {child.pid for child in psutil.Process(self.pid).children()}
        return {pid for pid in children if is_preloaded(pid) and stdin(pid).startswith("socket:")}

    def zygote(self) -> int:
        (pid,) = (
            eventually(lambda: found if len(found := self.zygotes()) == 1 else None, message="one zygote")
            or ()
        )
        return pid

    def others(self, group: str, count: int, without: Collection[int] = ()) -> set[int]:
        """Pids of `count` ready workers, none of them in `without`."""

        def found() -> set[int] | None:
            pids = self.pids(group)
            return pids if len(pids) == count and pids.isdisjoint(without) else None

        pids = eventually(found, within=30, message=f"{count} other workers of {group}")
        assert pids is not None
        return pids

    def own_log(self) -> str:
        return (self.state.logs / "supervisord.log").read_text()

    def workers_print(self, text: str, group: str = "first") -> None:
        def logs() -> str:
            return "".join(path.read_text() for path in self.state.logs.glob(f"{group}.*.log"))

        eventually(lambda: text in logs(), message=f"a worker prints {text!r}")

    def printed(self, start: str) -> list[str]:
        logs = [path.read_text() for path in self.state.logs.glob("first.*.log")]
        return [line for log in logs for line in log.splitlines() if line.startswith(start)]

    def send(self, task: str, argument: str, queue: str = "a") -> None:
        self.command("send", f"work.{task}", argument, "--queue", queue)


def is_preloaded(pid: int) -> bool:
    """A fork shows the command of the zygote."""
    try:
        return b"--preload" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def stdin(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/0").readlink())
    except OSError:
        return ""


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Preloading]:
    with Preloading(short_folder) as running:
        yield running


def test_workers_are_forked_and_are_children_of_the_supervisor(fleet: Preloading) -> None:
    workers, zygote = fleet.others("first", 2), fleet.zygote()
    for pid in workers:
        assert is_preloaded(pid)
        assert psutil.Process(pid).ppid() == fleet.pid
        assert os.getpgid(pid) == pid, "a process group of its own"
        assert descriptors(pid) & descriptors(zygote) == set(), "and no pipe or socket of others"
    fleet.send("greet", "ada")
    fleet.workers_print("hello ada from 1")


def descriptors(pid: int) -> set[str]:
    """Pipes and sockets that it holds, by what they are."""
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {link for link in links if link.startswith(("pipe:", "socket:"))}


def test_a_killed_worker_is_forked_again(fleet: Preloading) -> None:
    before, zygote = fleet.others("first", 2), fleet.zygote()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = fleet.others("first", 2, without={victim})
    assert before - {victim} < after, "the other one never noticed"
    assert all(map(is_preloaded, after))
    assert fleet.zygote() == zygote


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def stopped(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize("lose", [killed, stopped])
def test_without_its_zygote_a_worker_starts_by_exec(fleet: Preloading, lose: Callable[[int], None]) -> None:
    before, zygote = fleet.others("first", 2), fleet.zygote()
    lose(zygote)
    assert fleet.others("first", 2) == before
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = fleet.others("first", 2, without={victim})
    (successor,) = after - before
    assert not is_preloaded(successor)
    assert not alive(zygote), "one that hangs is ended"
    assert fleet.own_log().count("programs start without one") == 1


def test_nothing_outlives_a_killed_supervisor(fleet: Preloading) -> None:
    fleet.others("first", 2)
    fleet.zygote()
    os.kill(fleet.pid, signal.SIGKILL)
    fleet.assert_nothing_left()


def test_a_stop_lets_the_task_end(fleet: Preloading) -> None:
    flag = fleet.folder / "flag"
    fleet.others("first", 2)
    zygote = fleet.zygote()
    fleet.send("linger", str(flag))
    eventually((fleet.folder / "flag.begun").exists)
    assert fleet.process is not None
    fleet.process.terminate()
    eventually(lambda: not alive(zygote), message="the zygote ends first: nobody starts any more")
    flag.touch()
    assert fleet.process.wait(30) == 0
    fleet.workers_print("lingered to the end")


def test_a_restart_brings_new_code_and_a_new_zygote(fleet: Preloading) -> None:
    before, zygote = fleet.others("first", 2), fleet.zygote()
    fleet.write_app(APP.replace("VERSION = 1", "VERSION = 22"))
    fleet.command("restart", "first")
    after = fleet.others("first", 2, without=before)
    assert all(map(is_preloaded, after))
    eventually(lambda: not alive(zygote), message="the old one is gone")
    assert fleet.zygote() != zygote
    fleet.send("greet", "ada")
    fleet.workers_print("hello ada from 22")


def test_groups_that_import_the_same_in_other_pools_have_a_zygote_each(fleet: Preloading) -> None:
    first = fleet.zygote()
    fleet.write(FILE + SECOND)
    fleet.others("second", 1)
    (second,) = eventually(lambda: fleet.zygotes() - {first})
    fleet.send("greet", "bob", queue="b")
    fleet.workers_print("hello bob from 1", group="second")
    fleet.write(FILE)
    eventually(lambda: not alive(second), message="it goes with its group")
    assert fleet.zygote() == first


@contextmanager
def trying(folder: Path, app: str) -> Iterator[Preloading]:
    running = Preloading(folder, app=app)
    running.wait_healthy = False
    with running:
        yield running


UNFIT = {
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()\n",
    "a connection": "import socket\nkept = socket.socketpair()\n",
}


@pytest.mark.parametrize("what", UNFIT)
def test_an_app_that_cannot_be_forked_runs_all_the_same(short_folder: Path, what: str) -> None:
    with trying(short_folder, UNFIT[what] + APP) as fleet:
        workers = fleet.others("first", 2)
        assert not any(map(is_preloaded, workers))
        assert fleet.zygotes() == set()
        assert "can't be used: importing the app has" in fleet.own_log()


def test_an_app_that_cannot_be_imported_is_told_as_ever(short_folder: Path) -> None:
    with trying(short_folder, "import nothing_of_that_name\n") as fleet:
        fleet.workers_print("can't start: the app 'work' can't be imported: ModuleNotFoundError")


COUNTING = """
import sys
from fleet import task

@task
def count():
    print("imported since:", sorted(sys.modules.keys() - before))

before = set(sys.modules)
"""


@pytest.mark.broker
@pytest.mark.parametrize("broker", ["sqlite", "redis", "amqp"])
def test_a_worker_has_nothing_left_to_import(
    short_folder: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    """What each imports for itself is neither fast nor shared."""
    url = f"sqlite:///{short_folder}/b.db" if broker == "sqlite" else request.getfixturevalue(f"{broker}_url")
    queue = unique("preload")
    text = FILE.replace("[queues.a]", f'[broker]\nurl = "{url}"\n\n[queues.{queue}]').replace(
        '"a"', f'"{queue}"'
    )
    with Preloading(short_folder, text, COUNTING) as fleet:
        assert all(map(is_preloaded, fleet.others("first", 2)))
        fleet.command("send", "work.count", "--queue", queue)
        fleet.workers_print("imported since:")
        assert fleet.printed("imported since:") == ["imported since: []"]
    if broker == "amqp":
        with kombu.Connection(url) as connection:
            connection.default_channel.queue_delete(queue)


def test_each_worker_draws_its_own_random_numbers(short_folder: Path) -> None:
    with Preloading(short_folder, FILE.replace("replicas = 2", "")) as fleet:
        for count in (1, 2):
            pids = fleet.others("first", 1)
            fleet.command("send", "work.draw", "--queue", "a")
            eventually(lambda count=count: len(fleet.printed("drawn")) == count)
            os.kill(min(pids), signal.SIGKILL)
            fleet.others("first", 1, without=pids)
        assert len(set(fleet.printed("drawn"))) == 2, fleet.printed("drawn")


def test_prefork_workers_are_forked_by_a_zygote_too(short_folder: Path) -> None:
    text = FILE.replace('pool = "solo"', 'pool = "prefork"\nconcurrency = 1')
    with Preloading(short_folder, text) as fleet:
        before = fleet.others("first", 2)
        assert all(map(is_preloaded, before))
        fleet.send("greet", "eve")
        fleet.workers_print("hello eve from 1")
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        fleet.others("first", 2, without={victim})


def test_green_workers_start_without_a_zygote(short_folder: Path) -> None:
    with Preloading(short_folder, FILE.replace('"solo"', '"gevent"\nconcurrency = 5')) as fleet:
        assert not any(map(is_preloaded, fleet.others("first", 2)))
        assert fleet.zygotes() == set()
