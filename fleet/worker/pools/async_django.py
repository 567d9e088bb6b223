"""Django's database connections around a coroutine: in the thread where Django's async ORM has them.

That is the one thread of asgiref's sync_to_async; the connections of the event loop's own thread are nobody's.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from fleet.worker import django_db


async def close_stale() -> None:
    """Close connections that the server has ended, or that are older than CONN_MAX_AGE. Nothing without Django."""
    if "django.db" in sys.modules and (django_db_module := django_db.in_use()) is not None:
        with suppress(Exception):  # what is really wrong with the database the task's own query says
            from asgiref.sync import sync_to_async

            await sync_to_async(django_db_module.close_old_connections)()
