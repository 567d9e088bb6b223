"""What may happen to the machine under a fleet, and what it makes of it. One fleet bears it all, in turn."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.process.following import FILE, Following
from tests.support import alive, eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")
# The broker is not what is at stake here, so it does not lie in the state directory; one group has children.
TEXT = FILE.replace("[queues.io]", '[broker]\nurl = "sqlite:///broker.db"\n\n[queues.io]').replace(
    'pool = "solo"', 'pool = "prefork"\nconcurrency = 2'
)


def _bound_by_permissions() -> tuple[str, ...] | None:
    """How to run something to which the modes of files mean something, even if we are root."""
    if os.getuid() != 0:
        return ()
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    found = shutil.which("setpriv") and subprocess.run([*prefix, "true"], check=False).returncode == 0
    return prefix if found else None


BOUND = _bound_by_permissions()


@pytest.fixture(scope="module")
def borne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Following]:
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    try:
        running = Following(folder, TEXT)
        running.command_prefix = BOUND or ()
        with running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fleet(borne: Following) -> Iterator[Following]:
    """As it should be, before and after each test."""
    borne.settled(*BOTH)
    yield borne
    borne.file.write_text(TEXT)
    borne.settled(*BOTH, within=30)


def works(fleet: Following) -> None:
    """A message sent now is done."""
    fleet.command("send", "work.wait", '"x"')

    def none_left() -> bool:
        queues = {queue["name"]: queue for queue in fleet.status()["queues"]}
        return queues["io"]["ready"] == 0 and not queues["io"]["unacked"]

    eventually(none_left, within=20, message="the message is done")


def test_workers_that_are_all_killed_at_once_come_back(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not set(fleet.by_pid().values()) & set(before.values()), within=20)
    after = fleet.settled(*BOTH)
    assert not set(after.values()) & set(before.values())
    works(fleet)


def test_pool_processes_that_are_killed_come_back(fleet: Following) -> None:
    before = fleet.settled(*BOTH)

    def children() -> set[int]:
        return {child["pid"] for child in fleet.workers()["lone/0"]["children"]}

    eventually(lambda: len(children()) == 2)
    lost = children()
    for pid in lost:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(children() - lost) == 2 and not children() & lost, within=20)
    assert fleet.settled(*BOTH) == before, "the worker itself goes on"


def deleted(file: Path) -> None:
    file.unlink()


def truncated(file: Path) -> None:
    file.write_text("")


def garbage(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00\x80")


def a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_loop_of_links(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def unreadable(file: Path) -> None:
    if BOUND is None:
        pytest.skip("root can read everything, and there is no setpriv to take that from it")
    file.chmod(0)


@pytest.mark.parametrize("harm", [deleted, truncated, garbage, a_directory, a_loop_of_links, unreadable])
def test_a_file_that_is_none_changes_nothing(fleet: Following, harm: Callable[[Path], None]) -> None:
    before = fleet.settled(*BOTH)
    try:
        harm(fleet.file)
        rejected = eventually(lambda: fleet.status()["config"]["rejected"], within=20)
        assert rejected["diagnostics"]
        assert fleet.status()["state"] == "degraded"
        assert fleet.settled(*BOTH) == before
    finally:
        if fleet.file.is_dir():
            fleet.file.rmdir()
        else:
            fleet.file.unlink(missing_ok=True)
        fleet.file.write_text(TEXT)
    eventually(lambda: fleet.status()["config"]["rejected"] is None, within=20)
    assert fleet.settled(*BOTH) == before


def test_workers_come_back_without_the_file(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    fleet.file.unlink()
    eventually(lambda: fleet.status()["config"]["rejected"], within=20)
    os.kill(before["lone/0"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("lone/0", before["lone/0"]) != before["lone/0"], within=20)
    after = fleet.settled(*BOTH)
    assert {name for name in BOTH if after[name] != before[name]} == {"lone/0"}


class InTerminal(Following):
    """Started by hand, in a terminal that can be closed."""

    def start(self) -> None:
        self.output.touch()
        self.screen, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet", "up"],
            cwd=self.folder,
            env=self.environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )
        os.close(terminal)

    def close_terminal(self) -> None:
        os.close(self.screen)


def test_a_closed_terminal_ends_nothing(short_folder: Path) -> None:
    with InTerminal(short_folder, TEXT) as fleet:
        before = fleet.settled(*BOTH)
        assert isinstance(fleet, InTerminal)
        fleet.close_terminal()
        fleet.edit("replicas = 2", "replicas = 3")
        after = fleet.settled(*BOTH, "http/2", within=15)
        assert {name: after[name] for name in BOTH} == before
        works(fleet)
        assert fleet.command("down").returncode == 0
        assert fleet.process is not None
        assert fleet.process.wait(20) == 0


def test_a_deleted_state_directory_is_made_again(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    # First out of reach: while it is being emptied something may be written there.
    shutil.rmtree(fleet.state.root.rename(fleet.state.root.with_name("deleted")))
    eventually(lambda: fleet.settled(*BOTH, within=1) == before, within=40, message="it answers again")
    refused = fleet.command("up", check=False)
    assert refused.returncode == 73, "there is no second one"
    os.kill(before["http/1"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("http/1", before["http/1"]) != before["http/1"], within=20)
    after = fleet.settled(*BOTH)
    assert {name for name in BOTH if after[name] != before[name]} == {"http/1"}
    works(fleet)
    assert fleet.state.root.stat().st_mode & 0o777 == 0o700


def test_down_is_heard_although_the_socket_was_deleted(short_folder: Path) -> None:
    with Following(short_folder, TEXT) as fleet:
        fleet.settled(*BOTH)
        fleet.state.supervisor_socket.unlink()
        fleet.command("down")
        assert fleet.process is not None
        assert fleet.process.wait(20) == 0


@pytest.fixture
def own_disk(short_folder: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = short_folder / ".fleet"
    folder.mkdir(mode=0o700)
    options = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_state_directory_costs_no_worker(own_disk: Path) -> None:
    with Following(own_disk.parent, TEXT) as fleet:
        before = fleet.settled(*BOTH)
        ballast = own_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        fleet.edit("replicas = 2", "replicas = 3")
        eventually(lambda: fleet.group("http")["replicas"]["desired"] == 3, within=20)
        works(fleet)
        assert {name: fleet.by_pid()[name] for name in BOTH} == before
        ballast.unlink()
        after = fleet.settled(*BOTH, "http/2", within=30)
        assert {name: after[name] for name in BOTH} == before
        assert fleet.events().count("No space left") < 10, "it complains, but not all the time"


def test_a_read_only_state_directory_costs_no_worker(short_folder: Path) -> None:
    if BOUND is None:
        pytest.skip("root can write everywhere, and there is no setpriv to take that from it")
    fleet = Following(short_folder, TEXT)
    fleet.command_prefix = BOUND
    with fleet:
        before = fleet.settled(*BOTH)
        folders = [fleet.state.root, fleet.state.specs, fleet.state.logs]
        for folder in folders:
            folder.chmod(0o500)
        fleet.edit("replicas = 2", "replicas = 3")
        eventually(lambda: fleet.group("http")["replicas"]["desired"] == 3, within=20)
        works(fleet)
        fleet.edit("replicas = 3", "replicas = 1")
        less = fleet.settled("http/0", "lone/0", within=20)
        assert less == {name: before[name] for name in less}, "draining needs no file"
        fleet.edit("replicas = 1", "replicas = 2")
        for folder in folders:
            folder.chmod(0o700)
        after = fleet.settled(*BOTH, within=30)
        assert after["http/0"] == before["http/0"]


ORPHANING = """
import os

def wait(path): ...

if os.fork() == 0:
    if os.fork() == 0:
        import time
        time.sleep(0.3)
        os._exit(0)   # its parent is gone by then: an orphan
    os._exit(0)
os.wait()
"""


def test_as_pid_1_it_reaps_orphans_and_ends_on_sigterm(short_folder: Path) -> None:
    inside = ["unshare", "-pf", "--mount-proc", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], check=False).returncode:
        pytest.skip("a namespace is not permitted here")
    fleet = Following(short_folder, TEXT, app=ORPHANING)
    fleet.command_prefix = tuple(inside)
    with fleet:
        fleet.settled(*BOTH)
        (init,) = psutil.Process(fleet.pid).children()

        def zombies() -> list[int]:
            everybody = [init, *init.children(recursive=True)]
            return [each.pid for each in everybody if each.status() == psutil.STATUS_ZOMBIE]

        assert len(init.children()) >= 4, "controller and three workers"
        eventually(lambda: not zombies(), message="all orphans are reaped")
        os.kill(init.pid, signal.SIGTERM)
        eventually(lambda: not alive(init.pid), within=30, message="it ends as any other process")


def memory_and_descriptors(pid: int) -> tuple[int, int]:
    process = psutil.Process(pid)
    return process.memory_info().rss, process.num_fds()


def test_five_hundred_edits_leak_nothing(fleet: Following) -> None:
    """Each is another one: routes, live settings, now and then a new worker."""
    supervisor = fleet.status()["supervisor"]["pid"]
    controller = fleet.status()["controller"]["pid"]

    def edit(number: int) -> None:
        text = TEXT.replace("concurrency = 3", f"concurrency = {3 + number % 2}")
        text = text.replace('task = "other.*"', f'task = "other{number}.*"')
        if number % 100 == 99:
            text = text.replace("replicas = 2", f'replicas = 2\nenv = {{ VERSION = "{number}" }}')
        fleet.file.write_text(text)
        if number % 10 == 9:
            route = f'"other{number}.*"'
            eventually(lambda: route in fleet.state.routing_file.read_text(), within=20)

    # What a file with mistakes needs (pydantic) is loaded once; on a busy machine half a file may be read later on.
    fleet.file.write_text("[fleet]\nnonsense = 1\n")
    eventually(lambda: fleet.status()["config"]["rejected"], within=20)
    for number in range(150):
        edit(number)
    fleet.command("reload")
    before = [memory_and_descriptors(pid) for pid in (supervisor, controller)]
    processes = len(psutil.Process(supervisor).children(recursive=True))
    for number in range(150, 500):
        edit(number)
    fleet.command("reload")
    after = [memory_and_descriptors(pid) for pid in (supervisor, controller)]
    fleet.settled(*BOTH)
    assert fleet.status()["controller"]["pid"] == controller, "it has not crashed either"
    assert len(psutil.Process(supervisor).children(recursive=True)) == processes
    for (memory, descriptors), (memory_after, descriptors_after) in zip(before, after, strict=True):
        assert memory_after < memory + 8 * 2**20
        assert descriptors_after <= descriptors + 3
