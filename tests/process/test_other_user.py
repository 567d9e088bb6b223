"""`user = "nobody"`: workers that are somebody else reach what they need, and nothing besides."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fleet.broker.sqlite.store import SqliteStore
from fleet.cli.running.api_client import ApiClient
from fleet.telemetry import foreign_folder
from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.process.test_controller_kills import kill_controller
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

# The interpreter may lie in a home that nobody else may enter: let them, in a namespace of its own.
OPEN_HOME = """
mount --bind "$1" "$2" && mount -t tmpfs -o mode=755 tmpfs "$3" && mkdir -p "$1" && mount --bind "$2" "$1" &&
shift 3 && exec "$@"
"""

TEXT = """\
[fleet]
name = "users"
app = "work"

[broker]
url = "{url}"

[queues."{queue}"]
workload = "io"

[[routes]]
task = "*"
queue = "{queue}"

[workers.http]
queues = ["{queue}"]
pool = "threads"
concurrency = 3
user = "nobody"

[workers.images]
queues = ["{queue}"]
pool = "prefork"
concurrency = 1
user = "nobody"

[rollout]
min_ready = "200ms"
"""

APP = """
import os, pathlib
from fleet import task

@task
def look(path):
    try:
        pathlib.Path(path).read_bytes()
        seen = "read"
    except OSError as error:
        seen = type(error).__name__
    with open(os.environ["SEEN"], "a") as file:
        file.write(f"{os.getuid()} {os.path.basename(path)} {seen}\\n")
"""


def _as_nobody(prefix: tuple[str, ...]) -> bool:
    """Whether nobody could run this interpreter with this code."""
    nobody = pwd.getpwnam("nobody")
    become = f"import os; os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid}); "
    probe = f"{become}os.execv({sys.executable!r}, ['python', '-c', 'import fleet.spec'])"
    return not subprocess.run(
        [*prefix, sys.executable, "-c", probe], cwd=ROOT, capture_output=True, check=False
    ).returncode


@contextmanager
def fleet_of_nobody(folder: Path, url: str, queue: str) -> Iterator[Following]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    aside = folder / "aside"
    aside.mkdir()
    base, home = os.path.realpath(sys.base_prefix), str(Path.home())
    opened = ("unshare", "-m", "sh", "-c", OPEN_HOME, "sh", base, str(aside), home)
    prefixes = [(), opened] if base.startswith(home) and shutil.which("unshare") else [()]
    prefix = next((each for each in prefixes if _as_nobody(each)), None)
    if prefix is None:
        pytest.skip("nobody may not run this interpreter, and a namespace is not permitted here")
    folder.chmod(0o755)
    seen = folder / "seen.txt"
    seen.touch()
    seen.chmod(0o666)
    # Not by the environment of `fleet up`, which is root's: of that they get next to nothing.
    text = TEXT.format(url=url, queue=queue) + f'\n[defaults]\nenv = {{ SEEN = "{seen}" }}\n'
    running = Following(folder, text, APP)
    running.command_prefix = prefix
    with running:
        yield running


@pytest.fixture
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker("redis", request, short_folder)


@pytest.fixture
def fleet(short_folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Following]:
    monkeypatch.setenv("PASSWORD_OF_ROOT", "secret")
    with fleet_of_nobody(short_folder, broker.url, broker.queue()) as running:
        yield running


def rights(pid: int) -> dict[str, str]:
    """Of a process: what proc(5) says of its capabilities."""
    lines = (line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value for name, value in lines if name.startswith("Cap") or name == "NoNewPrivs"}


def test_workers_of_another_user_work_and_see_no_secret_of_others(fleet: Following) -> None:
    both = ("http/0", "images/0")
    before = fleet.settled(*both)
    for pid in before.values():
        assert psutil.Process(pid).uids().real != 0
        assert psutil.Process(pid).environ()["USER"] == "nobody"
        assert "PASSWORD_OF_ROOT" not in psutil.Process(pid).environ()
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            assert rights(process.pid) == {
                "NoNewPrivs": "1",
                **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
            }
    handed = fleet.state.handed
    (mine,) = handed.glob("http.0.*.json")
    secrets = [fleet.state.accepted_config, fleet.state.specs / mine.name, fleet.state.events]
    for path in (*secrets, fleet.state.api_socket, mine):
        fleet.command("send", "work.look", str(path))
    seen = fleet.folder / "seen.txt"
    eventually(lambda: len(seen.read_text().splitlines()) == 5, message="all are done")
    uid = mine.stat().st_uid
    expected = {f"{uid} {path.name} PermissionError" for path in (*secrets, fleet.state.api_socket)}
    expected.discard(f"{uid} {mine.name} PermissionError")
    lines = seen.read_text().splitlines()
    assert expected <= set(lines)
    assert sorted(line for line in lines if mine.name in line) == [
        f"{uid} {mine.name} PermissionError",
        f"{uid} {mine.name} read",
    ]

    kill_controller(fleet)
    assert fleet.settled(*both) == before, "they found its new socket"
    fleet.edit("concurrency = 3", "concurrency = 5")
    eventually(lambda: fleet.workers()["http/0"]["concurrency"] == 5)
    assert '"concurrency": 5' in mine.read_text(), "also for when it is started again"
    fleet.edit("[workers.images]", "[workers.pictures]")
    fleet.settled("http/0", "pictures/0")
    eventually(lambda: not list(handed.glob("images.*")), message="nothing is left of it")

    # What they have counted is known, also of those that have ended; and where their code is.
    api = ApiClient(fleet.state.api_socket)

    def ran() -> int:
        return sum(each["total"]["ran"] for each in api.get("/statistics")["tasks"])

    eventually(lambda: ran() == len(lines), within=30, message="each is counted once")
    assert [each["answered"] for each in api.get("/stacks?worker=http/0")["processes"]] == [True]
    assert (fleet.state.root / foreign_folder(uid)).stat().st_mode & 0o777 == 0o700


def test_the_embedded_broker_works_in_a_folder_of_that_user(short_folder: Path) -> None:
    """Also when root opens the file first, as a `fleet send` or the controller may: it is that user's."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    nobody = pwd.getpwnam("nobody")
    home = short_folder / "nobody"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    home.chmod(0o700)
    SqliteStore(home / "broker.db").close()
    with fleet_of_nobody(short_folder, f"sqlite:///{home}/broker.db", "io") as fleet:
        fleet.settled("http/0", "images/0")
        fleet.command("send", "work.look", str(fleet.file), "--count", "20")
        seen = fleet.folder / "seen.txt"
        eventually(lambda: len(seen.read_text().splitlines()) == 20, message="all are done")
        made = [home / "broker.db", *home.rglob("*")]
        assert {path.stat().st_uid for path in made} == {nobody.pw_uid}
