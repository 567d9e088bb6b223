"""A pytest plugin: where Celery's suite starts a worker in a thread of its own, start `fleet up` or `celery worker`.

The suite's fixture calls `celery.contrib.testing.worker.start_worker` at run time, so that is what is replaced. Time
limits of single tests are kept here, too: the suite asks for them by a mark of pytest-timeout.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing import worker as testing

from tests.support import ROOT, eventually

QUEUE = "celery"
_KEYS = (
    *("broker_url", "result_backend", "result_extended", "task_create_missing_queues", "accept_content"),
    *("worker_hijack_root_logger", "worker_log_color", "enable_utc", "timezone", "broker_heartbeat"),
)
_FILE = """\
[fleet]
name = "suite"
app = "tests.celery_suite.app:app"
pythonpath = {path}

[broker]
url = "{broker}"

[queues.{queue}]
workload = "io"

[workers.suite]
queues = ["{queue}"]
pool = "{pool}"
{concurrency}prefetch = 4  # per process, as Celery does: see docs/celery.md on test_expired
"""


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("celery", "timeout", "flaky"):
        config.addinivalue_line("markers", f"{mark}: of Celery's suite")
    testing.start_worker = external_worker


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    mark = item.get_closest_marker("timeout")
    seconds = float(mark.args[0]) if mark and mark.args else float(os.environ["SUITE_SECONDS"])

    def over(*_: object) -> None:
        pytest.fail(f"not within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def external_worker(app: Any, **_: Any) -> Iterator[types.SimpleNamespace]:
    from celery.contrib.testing.tasks import ping
    from celery.result import _set_task_join_will_block, allow_join_result
    from celery.utils.nodenames import anon_nodename

    app.finalize()
    folder, node = Path(os.environ["SUITE_OUT"]), anon_nodename()
    plain = {
        key: list(value) if isinstance(value := app.conf[key], set | frozenset) else value for key in _KEYS
    }
    environment = {
        **os.environ,
        "SUITE_CONFIG": json.dumps(plain),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path.cwd())]),
        "FLEET_CELERY_NODENAME": node,
    }
    command = _command(app, folder, node)
    with (folder / "worker.log").open("wb") as log:
        # Started elsewhere: the suite's root has a conftest and no package that a worker is to find.
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _set_task_join_will_block(False)
            with allow_join_result():
                assert ping.apply_async().get(timeout=60) == "pong"
            # A fleet takes tasks a little before its desk, a process of its own, listens.
            eventually(lambda: app.control.ping(destination=[node], timeout=1), within=30)
            yield types.SimpleNamespace(hostname=node, pid=process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _command(app: Any, folder: Path, node: str) -> list[str]:
    pool, concurrency = os.environ["SUITE_POOL"], os.environ["SUITE_CONCURRENCY"]
    if os.environ["SUITE_KIND"] == "celery":
        options = f"-P {pool} -c {concurrency} -l INFO --without-mingle --without-gossip --without-heartbeat"
        worker = [sys.executable, "-m", "celery", "-A", "tests.celery_suite.app", "worker", "-n", node]
        return [*worker, *options.split()]
    text = _FILE.format(
        path=json.dumps([str(ROOT), str(Path.cwd())]),
        broker=app.conf.broker_url,
        queue=QUEUE,
        pool=pool,
        concurrency="" if pool == "solo" else f"concurrency = {concurrency}\n",
    )
    (folder / "fleet.toml").write_text(text)
    return [sys.executable, "-m", "fleet", "up"]
