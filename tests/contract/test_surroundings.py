"""Tasks that fork, start helpers, read stdin and print do no harm to their worker, in any pool."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.contract.conftest import POOLS
from tests.contract.harness import Mailbox, Worker

pytestmark = [pytest.mark.process, pytest.mark.broker]

APP = "tests.contract.surroundings_app"
# One whose connection a copy would share, one whose file it would.
PAIRS = [(pool, broker) for pool in POOLS for broker in ("amqp", "sqlite")]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    pool, name = request.param
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    for broker in make_broker(name, request, folder):
        mailbox = Mailbox(broker)
        # The first as units of systemd and images of containers set it; the second for `where_they_are`.
        environment = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        worker = Worker(folder, mailbox, pool, {"app": (APP,)}, environment=environment)
        try:
            yield worker.start()
        finally:
            worker.stop()
            mailbox.close()
    shutil.rmtree(folder, ignore_errors=True)


def send(worker: Worker, task: str, *args: object) -> str:
    """The key by which the journal has what the task wrote."""
    key = uuid.uuid4().hex
    worker.mailbox.send(f"{APP}.{task}", key, *args)
    return key


def where_they_are(worker: Worker) -> str:
    """The worker's log after it and its copies have been aborted, which writes their stacks there."""
    assert worker.process is not None
    pid = worker.process.pid
    copies = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (*map(int, copies), pid):
        os.kill(each, signal.SIGABRT)
    worker.wait()
    return worker.log()


def assert_goes_on(worker: Worker) -> None:
    """The same worker does the next messages, each once, and nobody else is there to."""
    assert worker.process is not None
    assert worker.process.poll() is None, worker.log()
    keys = [send(worker, "note") for _ in range(10)]
    assert [len(worker.wrote(key)) for key in keys] == [1] * 10
    assert "told to end" not in worker.log()


@pytest.mark.parametrize("worker", [("gevent", "sqlite")], ids="-".join, indirect=True, scope="module")
def test_a_gevent_worker_hears_of_the_end_of_the_first_copy_however_soon_it_ends(worker: Worker) -> None:
    assert worker.process is not None
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    assert caught >> (signal.SIGCHLD - 1) & 1


@pytest.mark.parametrize(
    ("how", "code"), [("return", 0), ("raise", 1), ("exit", 7), ("exec", 9), ("sleep", 0)]
)
def test_a_copy_that_a_task_forks_ends_where_the_task_ends(worker: Worker, how: str, code: int) -> None:
    key = send(worker, "fork_and", how)
    try:
        (ended,) = worker.wrote(key, what="copy ended")
    except AssertionError:
        pytest.fail(where_they_are(worker))
    assert ended["code"] == code, worker.log()[-2000:]
    assert_goes_on(worker)


def test_a_copy_does_not_go_on_with_what_runs_beside_it(worker: Worker) -> None:
    naps = [send(worker, "nap", 0.3) for _ in range(worker.concurrency - 1)]
    key = send(worker, "fork_and", "sleep")
    worker.wrote(key, what="copy ended")
    for nap in naps:
        worker.wrote(nap)
    (slept,) = worker.wrote(key, what="copy slept")
    ends = [line for nap in naps for line in worker.journal(nap) if line["what"] == "end"]
    assert len(ends) == len(naps)
    assert slept["pid"] not in {line["pid"] for line in ends}


def test_a_terminated_helper_ends_and_its_worker_does_not(worker: Worker) -> None:
    (helper,) = worker.wrote(send(worker, "terminate_helper"))
    assert helper["code"] == -15
    assert_goes_on(worker)


def test_stdin_is_at_its_end_for_a_task_and_for_its_tools(worker: Worker) -> None:
    (read,) = worker.wrote(send(worker, "read_stdin"))
    assert (read["tool"], read["own"]) == ("", "")


@pytest.mark.parametrize("width", [10, 10_000])
def test_lines_that_tasks_print_stay_whole(worker: Worker, width: int) -> None:
    keys = [send(worker, "say", 200, width) for _ in range(worker.concurrency)]
    for key in keys:
        worker.wrote(key, what="said")
    printed = [line for line in worker.log().splitlines() if "xxx" in line]
    whole = [line for line in printed if re.fullmatch(r"[0-9a-f]{32} \d+ (x{10}|x{10000}) \d+", line)]
    assert [line[:200] for line in printed] == [line[:200] for line in whole]
    assert sum(line.split()[0] in keys for line in whole) == 200 * len(keys)


def test_the_worker_still_sees_its_supervisor_die(short_folder: Path, mailbox: Mailbox) -> None:
    worker = Worker(short_folder, mailbox, "threads", {"app": (APP,)}).start()
    assert worker.process is not None
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.wait() == 0


@pytest.mark.parametrize("task", ["freeze_time", "freeze_modules"])
@pytest.mark.parametrize("pool", [pool for pool in POOLS if pool != "prefork"])
def test_a_task_that_stops_the_clock_stops_no_acks(
    short_folder: Path, request: pytest.FixtureRequest, pool: str, task: str
) -> None:
    for broker in make_broker("amqp", request, short_folder):
        mailbox = Mailbox(broker)
        try:
            left = []
            for _ in range(3):  # the kill may come in the milliseconds before the last acks are sent
                worker = Worker(short_folder, mailbox, pool, {"app": (APP,)}).start()
                try:
                    worker.wrote(send(worker, task))
                    assert_goes_on(worker)
                    worker.signal(signal.SIGKILL)
                    worker.wait()
                finally:
                    worker.stop()
                if not (left := mailbox.take_all()):
                    break
            assert left == []  # all were acked
        finally:
            mailbox.close()


@pytest.mark.parametrize("pool", POOLS)
def test_streams_that_a_task_has_closed_lead_to_the_log_again_and_never_to_the_broker(
    short_folder: Path, request: pytest.FixtureRequest, pool: str
) -> None:
    for broker in make_broker("redis", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, pool, {"app": (APP,), "concurrency": 1}).start()
        try:
            worker.wrote(send(worker, "close_streams"))
            key = send(worker, "say", 3, 10)
            worker.wrote(key, what="said")
            assert worker.log().count(key) == 3
            runs = worker.wrote(send(worker, "note"))[0]["pid"]
            for fd in (0, 1, 2):
                assert "socket" not in str(Path(f"/proc/{runs}/fd/{fd}").readlink())
            assert_goes_on(worker)
        finally:
            worker.stop()
            mailbox.close()


@pytest.mark.parametrize("pool", ["solo", "gevent"])
def test_a_task_that_ignores_the_signal_to_end_does_so_for_itself_only(
    pool: str, short_folder: Path, request: pytest.FixtureRequest
) -> None:
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, pool, {"app": (APP,)}).start()
        worker.wrote(send(worker, "deafen"), what="deaf")
        worker.wrote(send(worker, "note"))
        worker.signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert "a task has taken away what tells this worker to end" in worker.log()
        mailbox.close()
