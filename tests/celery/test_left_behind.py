"""What a killed `celery worker` has left on Redis, and how a fleet that takes its place comes by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from tests.brokers import OwnRedis
from tests.celery.conftest import APP
from tests.running import RunningFleet
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """\
[fleet]
name = "heir"
app = "{app}:app"
pythonpath = ["{root}"]

[broker]
url = "{url}"
{options}
[queues.celery]
workload = "io"

[workers.main]
queues = ["celery"]
pool = "threads"
concurrency = 4
"""


class Heritage:
    """A Redis of its own, with what a `celery worker` held when it was killed."""

    def __init__(self, server: OwnRedis, folder: Path, **options: Any) -> None:
        self.folder, self.url, self.options = folder, server.url, options
        self.conf = {
            "broker_url": server.url,
            "result_backend": server.url,
            "broker_transport_options": options,
            "broker_connection_retry_on_startup": True,
        }
        self.environment = {
            "CELERY_SHOP": json.dumps(self.conf),
            "CELERY_SHOP_JOURNAL": str(folder / "journal"),
            "PYTHONPATH": str(ROOT),
        }
        self.client = Celery("client", set_as_current=False)
        self.client.conf.update(self.conf)
        self.redis = redis.Redis.from_url(server.url)

    def send(self, task: str, *args: Any, **options: Any) -> Any:
        return self.client.signature(f"{APP}.{task}", args=args).apply_async(**options)

    @contextmanager
    def celery_worker(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-P", "prefork", "-c", "1"]
        with (self.folder / "celery.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def leave(self, count: int) -> list[Any]:
        """So many messages, the first of which was running."""
        with self.celery_worker():
            results = [self.send("late", f"left{n}", 60 if n == 0 else 0) for n in range(count)]
            eventually(lambda: self.unacked() == count, within=60, message="it holds them")
        return results

    def unacked(self) -> int:
        prefix = self.options.get("global_keyprefix", "")
        return int(self.redis.hlen(f"{prefix}unacked"))

    @contextmanager
    def fleet(self) -> Iterator[RunningFleet]:
        options = (
            f'transport_options = {{ global_keyprefix = "{self.options["global_keyprefix"]}" }}'
            if self.options
            else ""
        )
        text = FILE.format(app=APP, root=ROOT, url=self.url, options=options)
        (self.folder / "fleet.toml").write_text(text)
        with RunningFleet(self.folder, env=self.environment) as fleet:
            yield fleet

    def close(self) -> None:
        self.client.close()
        self.redis.close()


@pytest.fixture(params=["", "shop:"], ids=["plain", "prefix"])
def heritage(request: pytest.FixtureRequest, own_redis: OwnRedis, short_folder: Path) -> Iterator[Heritage]:
    options = {"global_keyprefix": request.param} if request.param else {}
    heritage = Heritage(own_redis, short_folder, **options)
    yield heritage
    heritage.close()


def test_what_a_killed_celery_worker_held_is_named_and_put_back(heritage: Heritage) -> None:
    results = heritage.leave(4)
    with heritage.fleet() as fleet:
        said = "4 messages are held by a celery worker, or are left of one that was killed"
        eventually(lambda: said in fleet.output.read_text(), within=30, message=fleet.tail())
        refused = fleet.command("dead", "adopt-unacked", check=False)
        assert refused.returncode == 2
        assert "4 messages" in refused.stderr
        assert heritage.unacked() == 4
        done = fleet.command("dead", "adopt-unacked", "--yes", "--json")
        assert json.loads(done.stdout) == {"adopted": 4, "staying": {}}
        # The first one would take a minute.
        assert [each.get(timeout=30) for each in results[1:]] == ["left1", "left2", "left3"]
        began = [json.loads(line) for line in (heritage.folder / "journal").read_text().splitlines()]
        assert sum(each["what"] == "late began" and each["key"] == "left0" for each in began) == 2
        assert heritage.unacked() == 0
        again = fleet.command("dead", "adopt-unacked", "--yes")
        assert again.stdout == "put back 0 messages\n"


def test_what_is_of_other_queues_or_no_message_stays(heritage: Heritage) -> None:
    prefix = heritage.options.get("global_keyprefix", "")
    raw = json.dumps({"body": "", "headers": {}, "properties": {"priority": 3}})
    heritage.redis.hset(f"{prefix}unacked", "a", json.dumps([json.loads(raw), "", "others"]))
    heritage.redis.hset(f"{prefix}unacked", "b", "no JSON")
    heritage.redis.hset(f"{prefix}unacked", "c", json.dumps([7, None, None]))
    with heritage.fleet() as fleet:
        done = fleet.command("dead", "adopt-unacked", "--yes", check=False)
        assert done.returncode == 1
        assert done.stdout == "put back 0 messages\n"
        assert "1 message stay: queue 'others' is not declared" in done.stderr
        assert "2 messages stay: they can't be read" in done.stderr
        assert heritage.unacked() == 3
