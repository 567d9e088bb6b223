"""Django's database connections around a task: closed when they are stale, as Django does around a web request.

Django keeps a connection per thread (green threads included) and closes none by itself outside of requests. A worker
would go on with connections that the server has ended, failing task after task.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

_MODULE = "django.db"  # looked for around every task, so that those of other apps pay next to nothing


def close_stale() -> None:
    """Before a task: what is too old (CONN_MAX_AGE) or broken is opened anew when the task first asks for it."""
    if _MODULE in sys.modules and (django_db := in_use()) is not None:
        with suppress(Exception):  # what is really wrong with the database the task's own query says
            django_db.close_old_connections()


def let_go(*, thread_ends: bool) -> None:
    """After a task. `thread_ends`: nobody could use this thread's connections again, so none stays open."""
    if _MODULE in sys.modules and (django_db := in_use()) is not None:
        with suppress(Exception):
            if thread_ends:
                django_db.connections.close_all()
            else:
                django_db.close_old_connections()


def in_use() -> Any:
    """django.db, if the app has imported it and configured Django; nothing is imported here."""
    settings = sys.modules.get("django.conf")
    django_db = sys.modules.get(_MODULE)
    if django_db is None or settings is None or not hasattr(django_db, "close_old_connections"):
        return None
    return django_db if settings.settings.configured else None
