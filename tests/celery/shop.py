"""A Celery app as anybody writes one; its settings come from the environment, as those of many do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task, chord, group, shared_task, signals
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.result import allow_join_result
from kombu import Queue
from kombu.common import Broadcast

app = Celery("shop")
app.conf.update(json.loads(os.environ.get("CELERY_SHOP", "{}")))
JOURNAL = os.environ.get("CELERY_SHOP_JOURNAL", os.devnull)
if NEWS := os.environ.get("CELERY_SHOP_NEWS"):
    app.conf.task_queues = (Queue(app.conf.task_default_queue), Broadcast(NEWS))


def note(what: str, **more: Any) -> None:
    """A line that a test can wait for."""
    line = json.dumps({"what": what, "pid": os.getpid(), "at": time.time(), **more}) + "\n"
    with Path(JOURNAL).open("a") as file:
        file.write(line)


for _name in (
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
    "celeryd_init",
    "celeryd_after_setup",
):
    getattr(signals, _name).connect(lambda _name=_name, **_: note(_name), weak=False)


if os.environ.get("CELERY_SHOP_SIGNALS"):
    for _name in (
        *("task_received", "task_prerun", "task_postrun", "task_success", "task_retry", "task_rejected"),
        *("task_internal_error", "before_task_publish", "after_task_publish"),
        *("worker_ready", "worker_shutting_down", "worker_shutdown", "heartbeat_sent"),
        *("after_setup_logger", "after_setup_task_logger"),
    ):
        getattr(signals, _name).connect(lambda _name=_name, **_: note(_name), weak=False)


@signals.task_revoked.connect
def on_revoked(request: Any, terminated: bool, expired: bool, **_: Any) -> None:
    note("task_revoked", id=request.id, terminated=terminated, expired=expired)


@signals.task_unknown.connect
def on_unknown(name: str, id: str, **_: Any) -> None:
    note("task_unknown", name=name, id=id)


@signals.task_failure.connect
def on_failure(task_id: str, exception: BaseException, **_: Any) -> None:
    note("task_failure", id=task_id, error=type(exception).__name__)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@shared_task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def boom(text: str) -> None:
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def third_time_lucky(self: Task) -> int:
    if self.request.retries < 2:
        # Celery sends the retry, then stores that there is one: a database that is slower than this mixes both.
        raise self.retry(countdown=0.5)
    return int(self.request.retries)


@app.task(autoretry_for=(KeyError,), retry_backoff=0.1, retry_jitter=False, max_retries=2)
def never_lucky() -> None:
    raise KeyError("never")


@app.task(bind=True)
def about(self: Task) -> dict[str, Any]:
    request = self.request
    return {
        name: getattr(request, name)
        for name in (
            "id",
            "task",
            "retries",
            "delivery_info",
            "hostname",
            "correlation_id",
            "reply_to",
            "root_id",
        )
    }


@app.task(bind=True, acks_late=True, max_retries=None)
def late(self: Task, key: str, seconds: float = 0.0) -> str:
    note("late began", key=key)
    time.sleep(seconds)
    note("late ended", key=key)
    return key


@app.task(bind=True)
def hears(self: Task, news: str) -> None:
    note("heard", node=self.request.hostname, news=news)


@app.task(bind=True, acks_late=True)
def hears_late(self: Task, news: str, seconds: float) -> None:
    note("hears", node=self.request.hostname, news=news)
    time.sleep(seconds)
    note("heard", node=self.request.hostname, news=news)


@app.task
def early(key: str, seconds: float = 0.0) -> str:
    note("early began", key=key)
    time.sleep(seconds)
    note("early ended", key=key)
    return key


@app.task(acks_late=True)
def dies_once(key: str) -> str:
    marker = Path(f"{JOURNAL}.{key}")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@app.task(acks_late=True)
def dies_once_and_adds(key: str, number: int) -> int:
    dies_once(key)
    return number


@app.task
def dies_early() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(acks_late=True)
def dies_always() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(acks_late=True, reject_on_worker_lost=False)
def dies_and_is_recorded() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, acks_late=True)
def dies_after_its_result(self: Task, key: str) -> None:
    note("dies_after_its_result", key=key)
    self.backend.mark_as_done(self.request.id, "stored", request=self.request)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(soft_time_limit=0.3)
def soft(catches: bool) -> str:
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        if not catches:
            raise
        return "caught"
    return "never"


@app.task(time_limit=0.5)
def hard() -> None:
    time.sleep(30)


@app.task(bind=True, acks_late=True)
def requeues_once(self: Task) -> str:
    if not self.request.delivery_info["redelivered"]:
        raise Reject("once more", requeue=True)
    return "second time"


@app.task(acks_late=True)
def rejects() -> None:
    raise Reject("no", requeue=False)


@app.task
def ignores() -> None:
    raise Ignore


@app.task(bind=True)
def progresses(self: Task, key: str, percent: int) -> str:
    """Until its file is there."""
    note("started", key=key, state=self.AsyncResult(self.request.id).state)
    self.update_state(state="PROGRESS", meta={"percent": percent})
    while not Path(f"{JOURNAL}.{key}").exists():
        time.sleep(0.05)
    return key


@app.task
def returns_an_object() -> object:
    return object()


@app.task
def exits() -> None:
    raise SystemExit(3)


@app.task(bind=True)
def replaces(self: Task) -> None:
    raise self.replace(add.s(20, 22))


@app.task
def waits_inside(key: str) -> int:
    with allow_join_result():
        return int(add.delay(1, 2).get(timeout=20))


@app.task
def asks_inside() -> str:
    try:
        add.delay(1, 2).get(timeout=5)
    except RuntimeError as error:
        return str(error)
    return "nothing said"


@app.task
async def sleeps_and_doubles(number: int) -> int:
    await asyncio.sleep(0.01)
    return number * 2


@app.task
def sends_a_chord() -> str:
    return str(chord(group(add.s(n, n) for n in range(3)), total.s())().id)


class Counting(Task):
    """A class of the user's own, with the hooks that people override."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note("before_start", id=task_id)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note("on_success", id=task_id)

    def after_return(self, status: str, _retval: Any, task_id: str, *_: Any) -> None:
        note("after_return", id=task_id, status=status)


@app.task(base=Counting)
def counted() -> str:
    return "counted"
