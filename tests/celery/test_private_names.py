"""The private names of Celery that fleet/celery touches: a version without one of them fails here, not in a worker."""

from __future__ import annotations

import inspect

import celery
from celery import Celery, _state
from celery.app import trace
from celery.utils.nodenames import worker_direct
from celery.worker import control, state
from celery.worker.request import Request
from kombu.common import Broadcast
from kombu.transport.redis import Channel as RedisChannel

from fleet.celery import loading
from tests.celery.versions import declared


def test_a_tracer_keeps_the_tasks_function_in_a_cell_of_its_own() -> None:
    app = Celery("names", set_as_current=False)

    @app.task(name="names.seven")
    def seven() -> int:
        return 7

    app.finalize()
    tracer = trace.build_tracer("names.seven", app.tasks["names.seven"], app=app)
    cell = tracer.__closure__[tracer.__code__.co_freevars.index("fun")]
    cell.cell_contents = lambda: 8
    returned = tracer("id", (), {}, {"id": "id", "ignore_result": True})
    assert (returned.retval, returned.info) == (8, None)
    assert "__trace__" in dir(app.tasks["names.seven"])


def test_what_a_forked_process_calls() -> None:
    assert callable(Celery._after_fork)
    assert list(inspect.signature(_state._set_task_join_will_block).parameters) == ["blocks"]
    assert callable(trace.setup_worker_optimizations)


def test_what_a_request_is_asked_for() -> None:
    announce = inspect.signature(Request._announce_revoked)
    assert list(announce.parameters)[1:] == ["reason", "terminated", "signum", "expired"]
    assert list(inspect.signature(Request.on_timeout).parameters)[1:] == ["soft", "timeout"]
    assert {"_context", "store_errors", "on_success", "on_failure", "ignore_result"} <= set(dir(Request))
    if celery.__version__ >= "5.7":  # before, fleet/celery/stored_success.py asks the backend itself
        assert "_success_was_stored" in dir(Request)


def test_what_control_commands_look_at() -> None:
    names = {
        "requests",
        "reserved_requests",
        "active_requests",
        "revoked",
        "revoked_stamps",
    }
    assert names <= set(dir(state))
    assert {"ping", "active", "revoke", "terminate", "rate_limit", "time_limit", "stats"} <= set(
        control.Panel.data
    )


def test_what_a_broadcast_queue_on_redis_is_found_and_kept_by() -> None:
    queue = Broadcast("news")
    assert queue.alias == "news"
    assert queue.name != Broadcast("news").name
    names = {"_queue_bind", "_q_for_pri", "keyprefix_queue", "sep", "priority_steps"}
    assert names <= set(dir(RedisChannel))
    assert list(inspect.signature(RedisChannel._queue_bind).parameters)[1:] == [
        *("exchange", "routing_key", "pattern", "queue")
    ]


def test_the_queue_of_one_worker_is_what_its_clients_declare() -> None:
    queue = worker_direct("one@here")
    assert (queue.name, queue.exchange.name, queue.exchange.type) == ("one@here.dq2", "C.dq2", "direct")


def test_the_versions_that_fleet_takes_are_those_of_its_extra() -> None:
    """`python -m tests.celery` runs this file with the lowest and the highest of them."""
    assert declared() == (loading._OLDEST, loading._NEWEST)
    assert tuple(map(int, celery.__version__.split(".")[:2])) in {loading._OLDEST, loading._NEWEST}
