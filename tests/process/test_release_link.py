"""Releases behind a link, the state directory inside: one fleet before and after the swap, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.running_supervisors import supervisor_of
from tests.running import RunningFleet
from tests.support import ROOT, eventually

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what runs is found by /proc"),
]

FILE = """\
[fleet]
name = "shop"
app = "work"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2

[rollout]
min_ready = "200ms"
"""
WORK = """\
from pathlib import Path
from fleet import task

@task
def touch(where: str) -> None:
    Path(where).touch()
"""


class Releases(RunningFleet):
    """Runs in `current`, entered as a shell enters it."""

    def __init__(self, root: Path, text: str = FILE) -> None:
        self.root = root
        for number in ("1", "2"):
            folder = root / "releases" / number
            folder.mkdir(parents=True)
            (folder / "fleet.toml").write_text(text)
            (folder / "work.py").write_text(WORK)
        current = root / "current"
        current.symlink_to("releases/1")
        super().__init__(current, env={"PWD": str(current)})

    def swap(self, number: str) -> None:
        (self.root / "next").symlink_to(f"releases/{number}")
        (self.root / "next").rename(self.root / "current")

    def state_of(self, number: str) -> Path:
        return self.root / "releases" / number / ".fleet"

    def healthy(self) -> bool:
        return bool(self.status()["state"] == "healthy")


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Releases]:
    with Releases(short_folder) as running:
        yield running


def test_a_fleet_is_the_same_one_before_and_after_the_swap(fleet: Releases, tmp_path: Path) -> None:
    done = tmp_path / "done"
    before = fleet.status()
    assert before["file"] == str(fleet.root / "current" / "fleet.toml")
    fleet.command("send", "work.touch", str(done), "--delay", "8s")
    fleet.swap("2")
    # At once: nobody has looked yet.
    again = fleet.command("up", "--detach", check=False)
    assert again.returncode == 73, again.stderr
    after = fleet.status()
    assert after["supervisor"]["pid"] == before["supervisor"]["pid"]
    eventually(done.exists, within=60, message="what waited is done")
    assert not fleet.state_of("1").exists(), "moved, not copied"
    fleet.command("restart")
    eventually(fleet.healthy, within=60)
    (pid,) = fleet.pids("w")
    assert Path(f"/proc/{pid}/cwd").readlink() == fleet.root / "releases" / "2"

    fleet.swap("1")  # back again: a rollback
    eventually(fleet.state_of("1").exists, within=30, message="it follows although nobody asks")
    back = tmp_path / "back"
    fleet.command("send", "work.touch", str(back))
    eventually(back.exists, within=60)
    assert fleet.status()["supervisor"]["pid"] == before["supervisor"]["pid"]
    assert not fleet.state_of("2").exists()
    fleet.command("down")


def test_a_reload_after_the_swap_brings_the_file_of_the_new_release(fleet: Releases, tmp_path: Path) -> None:
    before = fleet.status()
    (fleet.root / "releases" / "2" / "fleet.toml").write_text(
        FILE.replace("concurrency = 2", "concurrency = 3\nenv = { RELEASE = '2' }")
    )
    fleet.swap("2")
    assert "w" in fleet.command("reload").stdout
    after = fleet.status()
    [group] = after["groups"]
    assert (after["supervisor"]["pid"], group["concurrency"]) == (before["supervisor"]["pid"], 3)
    (pid,) = fleet.pids("w")
    assert Path(f"/proc/{pid}/cwd").readlink() == fleet.root / "releases" / "2"
    done = tmp_path / "done"
    fleet.command("send", "work.touch", str(done))
    eventually(done.exists, within=60)
    fleet.command("down")


def test_what_was_sent_to_the_new_release_before_the_swap_is_done(fleet: Releases, tmp_path: Path) -> None:
    done = tmp_path / "done"
    send = "import sys, work; work.touch.send(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", send, str(done)],
        cwd=fleet.root / "releases" / "2",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), "."]), "FLEET_FILE": "fleet.toml"},
        check=True,
        timeout=60,
    )
    assert (fleet.state_of("2") / "broker.db").exists()
    fleet.swap("2")
    eventually(done.exists, within=60, message="it was in a file that nobody reads")
    eventually(fleet.healthy, within=60)


def test_an_embedded_broker_beside_the_state_directory_leaves_nothing_behind(
    short_folder: Path, tmp_path: Path
) -> None:
    """Its folder is the app's, so it is not moved: the messages are."""
    done = tmp_path / "done"
    text = FILE.replace("[queues.q]", '[broker]\nurl = "sqlite:///data/broker.db"\n\n[queues.q]')
    with Releases(short_folder, text) as fleet:
        fleet.command("send", "work.touch", str(done), "--delay", "8s")
        fleet.swap("2")
        eventually(done.exists, within=90, message="what waited is done")
        eventually(fleet.healthy, within=60)


def test_a_link_that_is_removed_and_made_again(fleet: Releases) -> None:
    """Not at once, as `ln -sfn` does it: for a while there is nothing, and nobody puts a folder there."""
    pid = fleet.status()["supervisor"]["pid"]
    link = fleet.root / "current"
    link.unlink()
    looked = fleet.state_of("1") / "logs" / "controller.log"
    size = looked.stat().st_size
    eventually(lambda: looked.stat().st_size > size, within=60, message="the controller has noticed")
    assert not os.path.lexists(link)
    link.symlink_to("releases/2")
    eventually(fleet.healthy, within=60)
    assert fleet.status()["supervisor"]["pid"] == pid
    assert not fleet.state_of("1").exists()


def test_entered_by_the_release_itself_it_is_found_while_it_is_the_current_one(fleet: Releases) -> None:
    pid = fleet.status()["supervisor"]["pid"]
    physical = fleet.root / "releases" / "1"
    fleet.environment["PWD"] = str(physical)
    fleet.folder = physical
    assert fleet.status()["supervisor"]["pid"] == pid


@pytest.mark.parametrize("harm", ["", "\n\n", "[fleet", "\x00\x00", "state_dir ="])
def test_a_broken_file_does_not_hide_a_fleet_whose_state_is_elsewhere(short_folder: Path, harm: str) -> None:
    (short_folder / "work.py").write_text(WORK)
    (short_folder / "state").mkdir()
    text = FILE.replace('app = "work"', f'app = "work"\nstate_dir = "{short_folder}/state/of/shop"')
    (short_folder / "fleet.toml").write_text(text)
    with RunningFleet(short_folder) as running:
        pid = running.status()["supervisor"]["pid"]
        running.file.write_text(harm)
        assert running.status()["supervisor"]["pid"] == pid
        running.file.write_text(text.replace("/state/of/shop", "/elsewhere"))
        assert running.status()["supervisor"]["pid"] == pid
        second = running.command("up", "--detach", check=False)
        assert second.returncode == 73, second.stderr
        running.file.unlink()
        assert running.status()["supervisor"]["pid"] == pid
        running.file.write_text(harm)
        running.command("down")


def test_other_values_of_a_variable_are_other_fleets(short_folder: Path) -> None:
    (short_folder / "work.py").write_text(WORK)
    text = FILE.replace('app = "work"', 'app = "work"\nstate_dir = ".fleet-${INSTANCE}"')
    (short_folder / "fleet.toml").write_text(text)
    with RunningFleet(short_folder, env={"INSTANCE": "a"}) as running:
        running.environment["INSTANCE"] = "b"
        assert running.command("status", check=False).returncode == 3
        assert running.command("down", check=False).returncode == 3
        running.environment["INSTANCE"] = "a"
        assert running.status()["state"] == "healthy"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_process_of_a_stranger_that_claims_to_be_the_fleet_is_not_believed(short_folder: Path) -> None:
    (short_folder / "fleet.toml").write_text(FILE)
    evil = short_folder / "evil"
    evil.mkdir()
    os.chown(evil, 65534, -1)
    short_folder.chmod(0o755)
    claim = json.dumps({"command": ["x", "-m", "fleet.controller", str(short_folder / "fleet.toml")]})
    hold = (
        "import fcntl, sys, time; fd = 9; fcntl.flock(fd, fcntl.LOCK_EX); print(flush=True); time.sleep(600)"
    )
    exec_hold = (
        f'exec 9>"$1/fleet.lock"; exec /usr/bin/python3 -c "{hold}" -m fleet.supervisor "$1" "$2" --lock-fd 9'
    )
    stranger = subprocess.Popen(
        ["sh", "-c", exec_hold, "sh", str(evil), claim], user="nobody", stdout=subprocess.PIPE
    )
    try:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"\n"
        assert supervisor_of(stranger.pid) is not None, "it looks like one"
        running = RunningFleet(short_folder)
        assert running.command("status", check=False).returncode == 3
        assert running.command("down", check=False).returncode == 3
    finally:
        stranger.kill()
        stranger.wait()


def test_what_waits_when_the_fleet_is_stopped_before_the_swap_is_done_by_the_next_release(
    short_folder: Path,
) -> None:
    done = short_folder / "touched"
    with Releases(short_folder) as fleet:
        eventually(fleet.healthy, within=60)
        fleet.command("send", "work.touch", str(done), "--delay", "3s")
    fleet.swap("2")
    (short_folder / "releases" / "3" / ".fleet").mkdir(
        parents=True
    )  # another's, or nobody's: nothing is known of it
    (short_folder / "releases" / "3" / ".fleet" / "broker.db").touch()
    with fleet:
        eventually(done.exists, within=60, message="the message of release 1")
    assert (short_folder / "releases" / "3" / ".fleet" / "broker.db").stat().st_size == 0
