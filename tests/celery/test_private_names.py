"""The private names of Celery that fleet/celery touches: a version without one of them fails here, not in a worker."""

from __future__ import annotations

import inspect

from celery import Celery, _state
from celery.app import trace
from celery.worker import control, state
from celery.worker.request import Request


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
    assert {"_context", "_success_was_stored", "store_errors", "on_success", "on_failure"} <= set(
        dir(Request)
    )


def test_what_control_commands_look_at() -> None:
    names = {
        "requests",
        "reserved_requests",
        "active_requests",
        "scheduled_requests",
        "revoked",
        "revoked_stamps",
    }
    assert names <= set(dir(state))
    assert {"ping", "active", "revoke", "terminate", "rate_limit", "time_limit", "stats"} <= set(
        control.Panel.data
    )
