"""`async def` tasks: on asyncio many at once, on prefork, solo and threads in a loop per process or thread."""

from __future__ import annotations

import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.control import NEW_FIELDS
from fleet.launch_specs import Exit
from fleet.spec import RouteSpec, RoutingSpec
from tests.conftest import make_broker
from tests.contract.controller import Controller
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

APP = "tests.contract.coroutine_app"
PLAIN = "asyncio without uvloop"  # which is there, for whoever develops fleet
POOLS = ("asyncio", PLAIN, "prefork", "solo", "threads")


def a_worker(folder: Path, mailbox: Mailbox, pool: str, **settings: Any) -> Worker:
    return Worker(folder, mailbox, pool, {"app": (APP,), **settings})


@pytest.fixture(scope="module", params=POOLS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """It goes on after each test."""
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    for broker in make_broker("sqlite", request, folder):
        mailbox = Mailbox(broker)
        worker = a_worker(folder, mailbox, request.param.partition(" ")[0])
        if request.param == PLAIN:
            worker.environment["FLEET_EVENT_LOOP"] = "asyncio"
        try:
            yield worker.start()
        finally:
            worker.stop()
            mailbox.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mailbox(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Mailbox]:
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        yield mailbox
        mailbox.close()


@pytest.fixture
def controller(short_folder: Path) -> Iterator[Controller]:
    controller = Controller(short_folder)
    yield controller
    controller.close()


@pytest.fixture
def own(short_folder: Path, mailbox: Mailbox, controller: Controller) -> Iterator[Worker]:
    """On asyncio, quick to judge, not started yet."""
    worker = a_worker(short_folder, mailbox, "asyncio", app=("tests.contract.hasty_app", APP))
    worker.control_socket = controller.path
    yield worker
    worker.stop()


def only(*pools: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("worker", pools, indirect=True, scope="module")


def send(worker: Worker, task: str, *more: Any, **options: Any) -> str:
    key = uuid.uuid4().hex
    worker.mailbox.send(f"{APP}.{task}", key, *more, **options)
    return key


def test_context_variables_are_the_tasks_own(worker: Worker) -> None:
    keys = [send(worker, "remember") for _ in range(6)]
    for key in keys:
        [line] = worker.wrote(key)
        assert (line["found"], line["inner"]) == ("unset", key)
        assert line["ident"] == line["id"]


def test_what_a_task_leaves_behind_ends_with_it_and_is_named(worker: Worker) -> None:
    key = send(worker, "leave_behind")
    lines = worker.wrote(key, 3)
    assert [line["what"] for line in lines] == ["left", "cancelled", "closed"]
    eventually(lambda: "left a background task running, now cancelled: " in worker.log(), within=10)
    assert "leave_behind.<locals>.linger (" in worker.log()


def test_what_is_meant_to_outlive_its_task_goes_on(worker: Worker) -> None:
    if worker.pool not in ("asyncio", "solo"):
        pytest.skip("the next task may run in another thread or process")
    worker.wrote(send(worker, "start_pulse"))
    [line] = worker.wrote(send(worker, "feel_pulse"))
    assert line["alive"]


@pytest.mark.parametrize("how", ["sleep", "gather", "group", "timeout", "swallow"])
def test_the_soft_limit_is_raised_where_the_coroutine_awaits(worker: Worker, how: str) -> None:
    key = uuid.uuid4().hex
    ident = worker.mailbox.send(f"{APP}.interrupted", key, how)
    first, _ = worker.wrote(key, 2)
    assert first["text"] == "soft time limit 0.3s exceeded"
    assert worker.mailbox.dead(ident)["reason"].startswith("SoftTimeLimitExceeded: soft time limit 0.3s")


@only("asyncio", "prefork")
def test_the_hard_limit_ends_the_coroutine(worker: Worker) -> None:
    key = uuid.uuid4().hex
    ident = worker.mailbox.send(f"{APP}.endless", key)
    assert "time limit 0.3s exceeded" in worker.mailbox.dead(ident)["reason"]
    if worker.pool == "asyncio":
        assert worker.wrote(key)[0]["what"] == "ended"


def test_a_plain_function_may_give_a_coroutine(worker: Worker) -> None:
    key = send(worker, "gives_a_coroutine")
    assert [line["what"] for line in worker.wrote(key, 2)] == ["begin", "end"]


@pytest.mark.parametrize("task", ["stop_the_loop", "cancel_everybody", "exit_in_background"])
def test_nothing_that_a_task_does_to_its_loop_ends_the_worker(worker: Worker, task: str) -> None:
    send(worker, task)
    for _ in range(3):
        key = send(worker, "nap", 0.01)
        assert worker.wrote(key, what="end")
    assert worker.process is not None
    assert worker.process.poll() is None


def test_a_copy_that_awaits_ends(worker: Worker) -> None:
    key = send(worker, "fork_and_await")
    [line] = worker.wrote(key)
    assert line["code"] == 1
    send_and_run = send(worker, "nap", 0.01)
    worker.wrote(send_and_run, what="end")


def test_a_coroutine_task_can_send(worker: Worker) -> None:
    key = send(worker, "pass_on", 25)
    [sent] = worker.wrote(key)
    worker.wrote(f"{key}-one", what="end")
    ended = worker.wrote(f"{key}-many", 25, what="end")
    assert {line["id"] for line in ended} == set(sent["many"])
    assert len(sent["many"]) == 25


# asyncio alone


@only("asyncio")
def test_plain_functions_run_in_threads_beside_the_event_loop(worker: Worker) -> None:
    slow = send(worker, "plain", 1.0)
    worker.wrote(slow, what="begin")
    key = send(worker, "nap", 0.01)
    assert worker.wrote(key, what="end")
    assert not [line for line in worker.journal(slow) if line["what"] == "end"]
    assert worker.wrote(slow, what="begin")[0]["thread"].startswith("fleet-task-")


def test_no_more_plain_functions_at_once_than_threads(own: Worker, controller: Controller) -> None:
    """And the time limit of one that had to wait counts from its beginning."""
    own.settings |= {"concurrency": 20, "threads": 2}
    own.start()
    key = uuid.uuid4().hex
    for _ in range(8):
        own.mailbox.send(f"{APP}.plain_with_limit", key, 0.8)
    lines = own.wrote(key, 16)
    running = most = 0
    for line in lines:
        running += 1 if line["what"] == "begin" else -1
        most = max(most, running)
    assert most == 2
    assert not any(report.trouble for report in controller.heard)


def test_who_blocks_the_loop_is_named_with_its_stack(own: Worker, controller: Controller) -> None:
    own.start()
    controller.command("inspect", fields=sorted(NEW_FIELDS))
    key = send(own, "block", 12.0)
    own.wrote(key, what="begin")

    def told() -> bool:
        warnings = controller.last.warnings if controller.last else ()
        return any(
            "has been blocked for" in each and "in block: time.sleep(seconds)" in each for each in warnings
        )

    eventually(told, within=20, message="named in a warning")
    eventually(
        lambda: "its event loop has not turned for" in str(controller.last and controller.last.trouble),
        within=20,
    )
    controller.report(state="ready")
    own.wrote(key, what="end", within=60)
    controller.report(trouble=None)
    eventually(lambda: "its event loop was blocked for" in own.log(), within=10)
    assert "    time.sleep(seconds)" in own.log()


def test_a_blocked_loop_keeps_acks_waiting_no_longer(own: Worker) -> None:
    """The worker's own loop goes on: what has ended is settled, though nothing else can run."""
    own.settings["prefetch"] = 3
    own.start()
    done = send(own, "nap", 0.0)
    own.wrote(done, what="end")
    blocked = send(own, "block", 6.0)
    own.wrote(blocked, what="begin")
    plain = send(own, "plain", 0.0)  # in a thread
    own.wrote(plain, what="end", within=5)
    assert len(own.journal(blocked)) == 1


def test_a_coroutine_that_its_limit_cannot_end_is_trouble(own: Worker, controller: Controller) -> None:
    own.start()
    key = send(own, "stubborn", 6.0)
    own.wrote(key, what="swallowed")
    eventually(lambda: "beyond its time limit" in str(controller.last and controller.last.trouble), within=20)
    own.wrote(key, what="end", within=60)
    controller.report(trouble=None)


def test_what_still_runs_after_the_grace_period_may_clean_up(own: Worker) -> None:
    own.settings["grace_period_seconds"] = 0.5
    own.start()
    key = send(own, "clean_up")
    own.wrote(key, what="begin")
    own.signal(signal.SIGTERM)
    assert own.wait() == 0
    own.wrote(key, what="cleaned up")
    assert len(own.mailbox.take_all()) == 1


# Green pools


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_green_pools_refuse_coroutines_with_the_remedy(
    pool: str, short_folder: Path, mailbox: Mailbox
) -> None:
    worker = a_worker(short_folder, mailbox, pool).start(ready=False)
    assert worker.wait() == Exit.BOOT_FAILED
    [line] = [line for line in worker.log().splitlines() if "can't start" in line]
    assert f"`async def` tasks, which a {pool} pool can't run" in line
    assert 'use pool = "asyncio"' in line
    assert f"{APP}.nap (" in line


def test_a_green_pool_leaves_coroutines_of_others_alone(short_folder: Path, mailbox: Mailbox) -> None:
    """And one that comes all the same, sent to its queue by name, is put aside with the remedy."""
    worker = a_worker(short_folder, mailbox, "gevent")
    elsewhere = mailbox.another_queue()
    routes = (RouteSpec(("*",), elsewhere.name),)
    worker.routing = RoutingSpec(mailbox.spec, (mailbox.queue, elsewhere), routes)
    worker.start()
    ident = mailbox.send(f"{APP}.nap", "x", 0.1)
    reason = mailbox.dead(ident)["reason"]
    assert "`async def`" in reason
    assert 'pool = "asyncio"' in reason
    key = send(worker, "plain", 0.0)
    worker.wrote(key, what="end")
    worker.stop()
