"""examples/systemd/fleet.service under a real systemd: process 1 of its own namespaces, with this unit alone.

So it can be tried in a container, where process 1 is something else. Needs root and systemd's programs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, eventually

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")

pytestmark = pytest.mark.process

FLEET = """
[fleet]
app = "tasks"
[queues.q]
workload = "io"
[queues.c]
workload = "cpu"
[[routes]]
task = "compute"
queue = "c"
[[routes]]
task = "*"
queue = "q"
[workers.green]
queues = ["q"]
pool = "gevent"
concurrency = 5
[workers.processes]
queues = ["c"]
pool = "prefork"
concurrency = 2
nice = 2
"""
TASKS = """
from pathlib import Path
from fleet import task

def bounds():
    status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines())
    return status["CapBnd"], status["NoNewPrivs"], status["Seccomp"]

@task(name="wait")
def wait():
    Path(".fleet/waited").write_text(" ".join(bounds()))

@task(name="compute")
def compute():
    import multiprocessing
    multiprocessing.Lock()
    try:
        Path("code.py").write_text("")
    except OSError:
        Path(".fleet/computed").write_text(" ".join(bounds()))
"""
TARGET = """
[Unit]
DefaultDependencies=no
Requires=shop.service
"""
# What is mounted here is seen in here alone. systemd wants a /run of its own.
BOOT = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && SYSTEMD_UNIT_PATH={units} container=test \\
exec {systemd} --system --unit=try.target --log-target=console --show-status=no --default-standard-output=null
"""


class Service:
    def __init__(self, home: Path, systemd: int) -> None:
        self.home = home
        self._systemd = systemd

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self._systemd), "-m", "-p", "-i", f"--wdns={self.home}"]
        return subprocess.run(
            [*enter, *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def fleet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.inside(sys.executable, "-m", "fleet", *arguments)

    def property(self, name: str) -> str:
        return self.inside("systemctl", "show", "shop", "-p", name, "--value").stdout.strip()


def can_boot() -> bool:
    """As root, with the name spaces and cgroups that this takes."""
    programs = all(map(shutil.which, ("unshare", "nsenter", "systemctl")))
    if os.getuid() != 0 or not SYSTEMD.exists() or not programs or not CGROUPS.is_dir():
        return False
    names = ["--fork", "--pid", "--mount", "--mount-proc", "--ipc", "--uts", "--cgroup"]
    tried = subprocess.run(
        ["unshare", *names, "mount", "-t", "tmpfs", "t", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.fixture
def service() -> Iterator[Service]:
    if not can_boot():
        pytest.skip("needs root, systemd, and namespaces to boot it in")
    # Not below /tmp, of which the service has its own.
    home = Path(tempfile.mkdtemp(prefix="fl-", dir="/var/lib"))
    before = set(slices())
    (home / ".fleet").mkdir(mode=0o700)
    (home / "fleet.toml").write_text(FLEET)
    (home / "tasks.py").write_text(TASKS)
    units = home / "units"
    units.mkdir()
    (units / "try.target").write_text(TARGET)
    (units / "shop.service").write_text(adapted(home))
    names = ["--fork", "--kill-child=KILL", "--pid", "--mount", "--mount-proc", "--ipc", "--uts", "--cgroup"]
    boot = BOOT.format(units=units, systemd=SYSTEMD)
    with (home / "boot.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", *names, "sh", "-c", boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield Service(home, eventually(lambda: only_child(process.pid), within=30))
    finally:
        process.kill()
        process.wait()
        eventually(lambda: removed(set(slices()) - before), within=30)
        shutil.rmtree(home)


def adapted(home: Path) -> str:
    """The unit for this place and this Python, as root without root's rights. Nothing of its walls is changed."""
    text = (ROOT / "examples" / "systemd" / "fleet.service").read_text()
    for pattern, instead in (
        (r"/srv/shop/.venv/bin/fleet up", f"{sys.executable} -m fleet up"),
        (r"/srv/shop", str(home)),
        (r"(?m)^User=.*", "User=root"),
        (r"(?m)^(After|Wants|EnvironmentFile)=.*", ""),
        (r"(?m)^Environment=", f"Environment=PYTHONPATH={ROOT} "),
        (r"\[Unit\]", "[Unit]\nDefaultDependencies=no"),
    ):
        text = re.sub(pattern, instead, text)
    return text


def only_child(pid: int) -> int | None:
    """systemd, once it has taken the place of the shell."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    is_systemd = children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd"
    return int(children[0]) if is_systemd else None


def slices() -> list[Path]:
    return [
        path
        for name in ("system.slice", "init.scope")
        for path in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}"))
    ]


def removed(folders: set[Path]) -> bool:
    """systemd was killed and could not clear its cgroups away."""
    for folder in folders:
        for below in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                below.rmdir()
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not any(map(Path.exists, folders))


def test_a_fleet_runs_behind_all_walls_of_the_unit(service: Service) -> None:
    eventually(
        lambda: service.property("ActiveState") == "active", within=120, message="READY=1 reached systemd"
    )
    eventually(lambda: service.property("StatusText") == "2 of 2 workers ready", within=60)
    for task in ("wait", "compute"):
        sent = service.fleet("send", task)
        assert sent.returncode == 0, sent.stderr
    for name in ("waited", "computed"):
        written = service.home / ".fleet" / name
        eventually(lambda written=written: written.exists() and written.read_text(), within=60)
        assert written.read_text() == "0000000000000000 1 2", "no capability, no new one, calls filtered"
    assert not (service.home / "code.py").exists(), "the code is read-only"
    assert service.inside("systemctl", "reload", "shop").returncode == 0
    assert service.inside("systemctl", "stop", "shop").returncode == 0
    assert service.property("Result") == "success"


def test_what_systemd_thinks_of_the_unit() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = ROOT / "examples" / "systemd" / "fleet.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze can't look at a file")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
