"""What `pip install` of the wheel brings into an empty environment is enough: each extra, used as it is meant, on
each supported Python that this machine has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.brokers import OwnRedis
from tests.interpreters import SUPPORTED, interpreter
from tests.support import ROOT, eventually, unique

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
{broker}
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
MORE = {"uvloop": "asyncio", "celery": "threads", "otel": "threads"}  # on this Python alone
POOLS = {"": "threads", "redis": "threads", "gevent": "gevent", "eventlet": "eventlet", "all": "gevent"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(params=SUPPORTED)
def python(request: pytest.FixtureRequest) -> str:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here")
    return found


def installed(folder: Path, wheel: Path, extra: str, python: str = sys.executable) -> Path:
    """The folder of programs of an empty environment with `wheel[extra]`. pip's own settings hold."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    done = subprocess.run([*pip, "install", "-q", wanted], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "bin"


def test_every_extra_of_the_distribution_is_tried(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        name = next(name for name in content.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(content.read(name).decode())
    assert set(metadata.get_all("Provides-Extra") or ()) == POOLS.keys() - {""} | MORE.keys()


@pytest.mark.parametrize("extra", MORE)
def test_what_is_added_to_an_empty_environment_does_no_harm(extra: str, wheel: Path, tmp_path: Path) -> None:
    runs_a_fleet(installed(tmp_path / "venv", wheel, extra), tmp_path / "home", MORE[extra], "", "q")


@pytest.mark.parametrize("extra", POOLS, ids=lambda extra: extra or "none")
def test_an_empty_environment_runs_a_fleet(
    extra: str, python: str, wheel: Path, tmp_path: Path, own_redis: OwnRedis
) -> None:
    programs = installed(tmp_path / "venv", wheel, extra, python)
    broker = f'[broker]\nurl = "{own_redis.url}"' if extra in ("redis", "all") else ""
    runs_a_fleet(programs, tmp_path / "home", POOLS[extra], broker, "q")


def test_rabbitmq_needs_no_extra(python: str, wheel: Path, tmp_path: Path, amqp_url: str) -> None:
    import kombu

    queue = unique("extras")
    try:
        broker = f'[broker]\nurl = "{amqp_url}"'
        programs = installed(tmp_path / "venv", wheel, "", python)
        runs_a_fleet(programs, tmp_path / "home", "threads", broker, queue)
    finally:
        with kombu.Connection(amqp_url) as connection:
            connection.default_channel.queue_delete(queue)


def runs_a_fleet(programs: Path, home: Path, pool: str, broker: str, queue: str) -> None:
    home.mkdir()
    (home / "tasks.py").write_text(TASKS)
    (home / "fleet.toml").write_text(FLEET.format(broker=broker, pool=pool, queue=queue))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FLEET"))
    }

    def fleet(*arguments: str) -> str:
        done = subprocess.run(
            [programs / "fleet", *arguments],
            check=False,
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "(fleet-workers)" in fleet("--version")
    fleet("validate")
    try:
        fleet("up", "--detach", "--wait")
        fleet("send", "work", "a")
        eventually((home / "done-a").exists, within=60)
        if broker:
            fleet("validate", "--connect")
    finally:
        fleet("down", "--now")


def test_without_its_library_a_green_pool_is_a_finding(wheel: Path, tmp_path: Path) -> None:
    programs = installed(tmp_path / "venv", wheel, "")
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "fleet.toml").write_text(FLEET.format(broker="", pool="gevent", queue="q"))
    done = subprocess.run(
        [programs / "fleet", "up", "--detach"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 78
    assert "pip install 'fleet-workers[gevent]'" in " ".join(done.stderr.split())


def test_without_its_client_a_redis_url_is_a_finding(wheel: Path, tmp_path: Path) -> None:
    programs = installed(tmp_path / "venv", wheel, "")
    broker = '[broker]\nurl = "redis://127.0.0.1:1/0"'
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "fleet.toml").write_text(FLEET.format(broker=broker, pool="threads", queue="q"))
    done = subprocess.run(
        [programs / "fleet", "up", "--detach"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 78
    assert "FLT905" in done.stderr
    assert "pip install 'fleet-workers[redis]'" in " ".join(done.stderr.split())
