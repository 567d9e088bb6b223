"""Whether a task's success is stored although its process has died: Celery's Request tells, from 5.7 on."""

from __future__ import annotations

from typing import Any

from celery import states


def was_stored(request: Any) -> bool:
    """For Celery 5.6 the result backend is asked as 5.7 does it: False when that has none, or can't be reached."""
    ask = getattr(request, "_success_was_stored", None)
    if ask is not None:
        return bool(ask())
    backend = request.task.backend
    # rpc:// has results only where they are waited for.
    if request.ignore_result or backend.as_uri() == "rpc://":
        return False
    try:
        return bool(backend.get_task_meta(request.id, cache=False).get("status") == states.SUCCESS)
    except Exception:  # whatever a backend raises
        return False
