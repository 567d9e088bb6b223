"""examples/celery-django and examples/celery-flask: the same files under `celery worker`, then under `fleet up`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.brokers import OwnRedis, answers, unavailable
from tests.running import RunningFleet
from tests.support import ROOT, eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

STORIES = Path(__file__).parent
_POSTGRES = ("127.0.0.1", 5432)


class Project:
    """A copy of an example, with its environment."""

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = environment
        shutil.copytree(ROOT / "examples" / name, folder, dirs_exist_ok=True)

    def run(self, *command: str) -> str:
        """What a Python of the project prints."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def story(self, name: str) -> dict[str, Any]:
        outcome: dict[str, Any] = json.loads(self.run(str(STORIES / f"{name}_story.py")).splitlines()[-1])
        return outcome

    @contextmanager
    def celery(self, *arguments: str, ready: str) -> Iterator[Path]:
        """A command of Celery's meanwhile; its log."""
        log = self.folder / "celery.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *arguments],
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            eventually(lambda: ready in log.read_text(errors="replace"), within=60, message=f"{ready!r}")
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    @contextmanager
    def fleet(self) -> Iterator[RunningFleet]:
        """Whose workers have imported all that they need: more than a test's own app."""
        with RunningFleet(self.folder, env=self.environment, healthy=False) as fleet:
            eventually(lambda: fleet.status()["state"] == "healthy", within=90, message="healthy")
            yield fleet


@pytest.fixture
def database() -> Iterator[str]:
    """The name of an empty one on PostgreSQL."""
    if not answers(_POSTGRES[1]):
        unavailable("PostgreSQL at 127.0.0.1:5432")
    name = f"fleet_{unique()}"
    url = "postgresql://postgres@{}:{}/postgres".format(*_POSTGRES)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield name
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_django_project_has_the_same_outcomes(
    database: str, own_redis: OwnRedis, short_folder: Path
) -> None:
    project = Project(
        "celery-django", short_folder, CELERY_BROKER_URL=own_redis.url, PGDATABASE=database, PGUSER="postgres"
    )
    project.run("manage.py", "migrate", "--verbosity", "0")
    with project.celery(
        "-A", "shop", "worker", "-l", "INFO", "-Q", "celery,mail", "-c", "2", ready=" ready."
    ):
        under_celery = project.story("django")
    assert under_celery["orders"][:3] == [
        ["two@example.com", "billed", 2599],
        ["slow@example.com", "billed", 1750],
        ["none@example.com", "failed", None],
    ]
    assert under_celery["the page said so"]
    assert under_celery["the rate was kept"]
    project.run("manage.py", "flush", "--no-input", "--verbosity", "0")
    with project.fleet() as fleet:
        assert project.story("django") == under_celery
        assert fleet.status()["state"] == "healthy"


def test_the_flask_project_has_the_same_outcomes_and_flower_is_connected(
    own_redis: OwnRedis, short_folder: Path
) -> None:
    results = own_redis.url.removesuffix("0") + "1"
    project = Project(
        "celery-flask", short_folder, CELERY_BROKER_URL=own_redis.url, CELERY_RESULT_BACKEND=results
    )
    worker = ("-A", "make_celery", "worker", "-l", "INFO", "-P", "gevent", "-c", "50")
    with project.celery(*worker, ready=" ready."):
        under_celery = project.story("flask")
    assert under_celery["sums"] == [(n + 100) * 119 // 100 for n in range(20)]
    assert under_celery["refused"]["value"] == "not today"
    with project.fleet(), flower(project) as ask:
        flower_shows_the_worker(ask)
        assert project.story("flask") == under_celery
        flower_shows_tasks_and_ends_one(ask)


class Flower:
    """Its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api"

    def __call__(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self._url}/{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error} {error.read()[:500]!r}") from error


@contextmanager
def flower(project: Project) -> Iterator[Flower]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    project.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
    command = ("-A", "make_celery", "flower", "--address=127.0.0.1", f"--port={port}")
    with project.celery(*command, ready="Connected to"):
        yield Flower(port)


def flower_shows_the_worker(ask: Flower) -> None:
    """Until it shows a task, too: only then has it switched events on."""
    node = f"tasks-0@{socket.gethostname()}"
    workers = eventually(lambda: ask("workers?refresh=1"), within=30, message="a worker in Flower")
    assert list(workers) == [node]
    assert [queue["name"] for queue in workers[node]["active_queues"]] == ["celery"]
    assert "sums.tasks.count_up" in workers[node]["registered"]

    def sees_a_task() -> bool:
        ask("task/async-apply/sums.tasks.add_with_tax", args=[[1]])
        return bool(states(ask, "add_with_tax"))

    eventually(sees_a_task, within=60, message="a task in Flower")


def flower_shows_tasks_and_ends_one(ask: Flower) -> None:
    def all_succeeded() -> bool:
        seen = states(ask, "add_with_tax")
        return len(seen) > 20 and set(seen) == {"SUCCESS"}

    eventually(all_succeeded, within=30, message="those of the story in Flower")
    assert (states(ask, "count_up"), states(ask, "refuse")) == (["SUCCESS"], ["FAILURE"])
    ident = ask("task/async-apply/sums.tasks.count_up", args=[3000])["task-id"]
    eventually(lambda: ask(f"task/result/{ident}")["state"] == "PROGRESS", within=30, message="it runs")
    assert "message" in ask(f"task/revoke/{ident}?terminate=true", terminate=True)
    eventually(lambda: ask(f"task/result/{ident}")["state"] == "REVOKED", within=30, message="revoked")
    eventually(lambda: "REVOKED" in states(ask, "count_up"), within=30, message="Flower shows it")


def states(ask: Flower, name: str) -> list[str]:
    return sorted(task["state"] for task in ask(f"tasks?taskname=sums.tasks.{name}").values())
