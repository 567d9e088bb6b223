"""What `pip install` of the wheel brings into an empty environment is enough: each extra on each supported Python that
this machine has, against each broker. It runs a fleet, or says the one command that brings what is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from functools import cache
from pathlib import Path

import pytest

from tests.brokers import OwnRedis, unavailable
from tests.conftest import BROKERS, Broker, make_broker
from tests.interpreters import SUPPORTED, interpreter
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.slow, pytest.mark.process]

TASKS = """
from pathlib import Path
from fleet import task

@task(name="work")
def work(name: str) -> None:
    Path(f"done-{name}").touch()
"""
FLEET = """
[fleet]
name = "extra"
app = "tasks"
[broker]
url = "{url}"
[queues."{queue}"]
workload = "io"
[[routes]]
task = "*"
queue = "{queue}"
[workers.w]
queues = ["{queue}"]
pool = "{pool}"
concurrency = 20
"""
POOLS = {"": "threads", "redis": "threads", "gevent": "gevent", "all": "gevent"}
# On one Python, at the embedded broker.
MORE = {"eventlet": "eventlet", "uvloop": "asyncio", "celery": "threads", "otel": "threads"}
WITH_REDIS = ("redis", "all")
# One process for one Python: what it has fetched and installed serves all tests of it.
PYTHONS = [pytest.param(each, marks=pytest.mark.xdist_group(f"extras-{each}")) for each in SUPPORTED]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


class Shop:
    """Empty environments of one Python, each made once. What goes into them is fetched once, for all of them."""

    def __init__(self, folder: Path, wheel: Path, python: str, extras: str) -> None:
        self.wheel, self.python, self.folder = wheel, python, folder
        self.fetched = folder / "fetched"
        self._pip(self._empty("fetch"), "wheel", "-w", str(self.fetched), f"{wheel}[{extras}]")
        self.programs = cache(self._programs)

    def _programs(self, extra: str) -> Path:
        """The folder of programs of an empty environment with `wheel[extra]`."""
        venv = self._empty(extra or "none")
        wanted = f"{self.wheel}[{extra}]" if extra else str(self.wheel)
        self._pip(venv, "install", "--no-index", "--find-links", str(self.fetched), wanted)
        return venv / "bin"

    def _empty(self, name: str) -> Path:
        venv = self.folder / name
        subprocess.run([self.python, "-m", "venv", "--without-pip", venv], check=True)
        return venv

    def _pip(self, venv: Path, *arguments: str) -> None:
        """pip's own settings hold: an index of one's own, say."""
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "-q"]
        done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def redis_of_its_own() -> Iterator[str]:
    if not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    server = OwnRedis()
    server.start()
    yield server.url
    server.destroy()


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "redis":
        yield Broker("redis", request.getfixturevalue("redis_of_its_own"))
    else:
        yield from make_broker(request.param, request, tmp_path)


@pytest.fixture(scope="module", params=PYTHONS)
def shop(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here")
    here = request.param == _this()
    extras = ",".join([*filter(None, POOLS), *(MORE if here else ())])
    return Shop(tmp_path_factory.mktemp(f"python{request.param}"), wheel, found, extras)


def _this() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


ONE_PYTHON = pytest.mark.parametrize("shop", [p for p in PYTHONS if p.values[0] == _this()], indirect=True)


def test_every_extra_of_the_distribution_is_tried(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        name = next(name for name in content.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(content.read(name).decode())
    assert set(metadata.get_all("Provides-Extra") or ()) == POOLS.keys() - {""} | MORE.keys()


@pytest.mark.parametrize("extra", POOLS, ids=lambda extra: extra or "none")
def test_an_empty_environment_runs_a_fleet_or_says_what_to_install(
    shop: Shop, extra: str, broker: Broker, tmp_path: Path
) -> None:
    fleet = Fleet(shop.programs(extra), tmp_path, POOLS[extra], broker.url, broker.queue())
    if broker.name == "redis" and extra not in WITH_REDIS:
        fleet.names_the_one_remedy("FLT905", "redis")
    else:
        fleet.runs()


@ONE_PYTHON
@pytest.mark.parametrize("extra", MORE)
def test_what_is_added_to_an_empty_environment_does_no_harm(shop: Shop, extra: str, tmp_path: Path) -> None:
    Fleet(shop.programs(extra), tmp_path, MORE[extra], f"sqlite:///{tmp_path}/broker.db", "q").runs()


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_without_its_library_a_green_pool_is_a_finding(shop: Shop, pool: str, tmp_path: Path) -> None:
    fleet = Fleet(shop.programs(""), tmp_path, pool, f"sqlite:///{tmp_path}/broker.db", "q")
    fleet.names_the_one_remedy("FLT308", pool)


class Fleet:
    """A fleet of one group in a folder of its own, run by the programs of an environment."""

    def __init__(self, programs: Path, home: Path, pool: str, url: str, queue: str) -> None:
        self.programs, self.home = programs, home
        (home / "tasks.py").write_text(TASKS)
        (home / "fleet.toml").write_text(FLEET.format(url=url, pool=pool, queue=queue))

    def runs(self) -> None:
        self("validate", "--connect")
        try:
            self("up", "--detach", "--wait")
            self("send", "work", "a")
            eventually((self.home / "done-a").exists, within=60)
        finally:
            self("down", "--now")

    def names_the_one_remedy(self, code: str, extra: str) -> None:
        for command, status in (("validate", 1), ("up", 78)):  # and nothing starts
            said = self(command, status=status)
            assert f"[{code}]" in said
            remedies = re.findall(r"pip install '[^']*'", " ".join(said.split()))
            assert remedies == [f"pip install 'fleet-workers[{extra}]'"]
            assert "Traceback" not in said

    def __call__(self, *arguments: str, status: int = 0) -> str:
        ours = ("PYTHON", "FLEET", "VIRTUAL_ENV")
        done = subprocess.run(
            [self.programs / "fleet", *arguments],
            check=False,
            cwd=self.home,
            env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
