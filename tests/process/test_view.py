"""`fleet view` beside real workers: its number follows the load, and its scheduler sends each run once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.conftest import Broker, forget_redis_keys
from tests.process.test_schedules import assert_each_once, sent
from tests.process.test_standalone_worker import Pod, pod
from tests.support import alive, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def there(short_folder: Path, redis_url: str) -> Iterator[Pod]:
    made = pod(short_folder, redis_url)
    path = short_folder / "fleet.toml"
    path.write_text(path.read_text() + 'replicas = { min = 1, max = 6, target_latency = "1s" }\n')
    yield made
    forget_redis_keys(redis_url, f"pod-{short_folder.name}")


@contextmanager
def view(there: Pod, *arguments: str) -> Iterator[int]:
    port = free_port()
    command = there.command("view", "--listen", f"127.0.0.1:{port}", *arguments)
    process = subprocess.Popen(command, cwd=there.folder, env=there.environment)
    try:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def asked(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/groups/w", timeout=5) as reply:
            found: dict[str, Any] = json.loads(reply.read())
            return found
    except OSError as error:
        raise AssertionError(error) from error


def test_the_number_follows_the_load(there: Pod) -> None:
    with there.worker(), view(there, "--workers", f"w=127.0.0.1:{there.port}") as port:
        there.until_ready()
        eventually(lambda: asked(port)["desired"] == 1 and asked(port)["workers"] == 1, within=20)
        there.send("tasks.nap", "x", "0.4", "--count", "40")
        eventually(lambda: asked(port)["desired"] > 1, within=20, message="more are needed")
        eventually(lambda: asked(port)["desired"] == 1, within=60, message="and then no more")


def test_a_file_in_which_nothing_scales_is_refused(short_folder: Path, redis_url: str) -> None:
    made = pod(short_folder, redis_url)
    command = [sys.executable, "-m", "fleet", "view"]
    ran = subprocess.run(
        command, cwd=made.folder, env=made.environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 78
    assert "no worker group scales" in ran.stderr


TICK = """
[queues."{held}"]   # fleet: ignore[FLT102] the test counts what lies there

[[schedules]]
name = "tick"
task = "tasks.tick"
every = "250ms"   # fleet: ignore[FLT807] this is a test
catch_up = "all"
queue = "{held}"   # fleet: ignore[FLT804] see above
"""


def told(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return str(reply.read().decode())
    except OSError as error:
        raise AssertionError(error) from error


def clock(port: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(port, "/v1/schedules"))
    assert found["scheduler"]["leads"], "it does not look after the schedules yet"
    assert found["schedules"][0]["last"], "nothing is sent yet"
    return found


def test_two_views_send_each_run_once_whatever_dies(short_folder: Path, redis_url: str) -> None:
    """As in a rollout of its Deployment: a schedule, and nothing that scales."""
    there, broker = pod(short_folder, redis_url), Broker("redis", redis_url)
    path = short_folder / "fleet.toml"
    text = path.read_text().replace('name = "pod"', f'name = "{broker.token}"')
    path.write_text(text + TICK.format(held=broker.queue("held")))
    try:
        with view(there) as one:
            first = eventually(lambda: clock(one), within=30)
            assert len(first["schedules"][0]["next"]) == 5
            assert 'fleet_schedule_next_run_timestamp_seconds{schedule="tick"}' in told(one, "/metrics")
            with view(there) as two:
                for _ in range(2):
                    before = eventually(lambda: clock(two), within=30)["schedules"][0]["last"]["id"]
                    os.kill(eventually(lambda: clock(one), within=30)["scheduler"]["pid"], signal.SIGKILL)
                    eventually(lambda b=before: clock(two)["schedules"][0]["last"]["id"] != b, within=30)  # type: ignore[misc]
                pid = clock(two)["scheduler"]["pid"]
            assert not alive(pid), "a view ends with its scheduler"
            last = eventually(lambda: clock(one), within=60)["schedules"][0]["last"]["id"]
            eventually(
                lambda: clock(one)["schedules"][0]["last"]["id"] != last, within=60, message="another one"
            )
        assert_each_once(broker.token, sent(broker, short_folder))
    finally:
        broker.clean()
        forget_redis_keys(redis_url, f"pod-{short_folder.name}")


def test_on_rabbitmq_one_of_two_views_sends_and_the_other_goes_on_where_it_dies(
    short_folder: Path, amqp_url: str
) -> None:
    there, broker = pod(short_folder, amqp_url), Broker("amqp", amqp_url)
    path = short_folder / "fleet.toml"
    text = path.read_text().replace('name = "pod"', f'name = "{broker.token}"')
    path.write_text(
        text.replace(f"pod-{short_folder.name}", broker.queue("work"))
        + TICK.format(held=broker.queue("held"))
    )
    try:
        with view(there) as one:
            eventually(lambda: clock(one), within=30)
            with view(there) as two:
                ports = (one, two)
                eventually(lambda: waits(two), within=30, message="the second has a scheduler, which waits")
                for _ in range(3):
                    leads = eventually(lambda: settled(ports), within=60)
                    before = clock(leads)
                    os.kill(before["scheduler"]["pid"], signal.SIGKILL)
                    eventually(lambda b=before: went_on(leader(ports), b), within=60)  # type: ignore[misc]
            eventually(lambda: clock(one), within=60, message="the first goes on alone")
        assert_each_once(broker.token, sent(broker, short_folder), never_doubled=False)
    finally:
        broker.clean()


def state(port: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(port, "/v1/schedules"))
    return found


def waits(port: int) -> bool:
    scheduler = state(port)["scheduler"]
    return scheduler["pid"] is not None and not scheduler["leads"]


def leader(ports: tuple[int, ...]) -> int:
    found = [port for port in ports if state(port)["scheduler"]["leads"]]
    assert len(found) == 1, found
    return found[0]


def settled(ports: tuple[int, ...]) -> int:
    """The one that sends, once the other waits again."""
    leads = leader(ports)
    assert all(waits(port) for port in ports if port != leads)
    return leads


def went_on(port: int, before: dict[str, Any]) -> bool:
    now = clock(port)
    return bool(
        now["scheduler"]["pid"] != before["scheduler"]["pid"]
        and now["schedules"][0]["last"]["id"] != before["schedules"][0]["last"]["id"]
    )


def test_a_scheduler_does_not_outlive_a_view_that_is_killed(short_folder: Path, redis_url: str) -> None:
    there, broker = pod(short_folder, redis_url), Broker("redis", redis_url)
    path = short_folder / "fleet.toml"
    text = path.read_text().replace('name = "pod"', f'name = "{broker.token}"')
    path.write_text(text + TICK.format(held=broker.queue("held")))
    try:
        port = free_port()
        command = there.command("view", "--listen", f"127.0.0.1:{port}")
        process = subprocess.Popen(command, cwd=there.folder, env=there.environment)
        try:
            pid = eventually(lambda: clock(port), within=30)["scheduler"]["pid"]
        finally:
            process.kill()
            process.wait()
        eventually(lambda: not alive(pid), within=10)
    finally:
        broker.clean()


def test_the_entries_of_a_celery_app_are_sent_too(short_folder: Path) -> None:
    pytest.importorskip("celery")
    (short_folder / "fleet.toml").write_text(
        '[fleet]\nname = "app"\napp = "work:app"\n[queues.celery]\n[workers.w]\nqueues = ["celery"]\npool = "solo"\n'
    )
    (short_folder / "work.py").write_text(
        "from celery import Celery\napp = Celery('work', broker='memory://')\n"
        "@app.task\ndef tick(): ...\n"
        "app.conf.beat_schedule = {'often': {'task': 'work.tick', 'schedule': 0.5}}\n"
    )
    with view(Pod(short_folder, 0)) as port:
        found = eventually(lambda: clock(port), within=60)
        assert [each["name"] for each in found["schedules"]] == ["often"]
        assert found["schedules"][0]["when"] == "every 500ms"
