"""The messages that Celery workers hold on Redis, or have left there when they were killed: said at the start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

_AGAIN_SECONDS = 5.0


def say(app: Celery, warn: Callable[[str], object], over: threading.Event) -> None:
    """Returns when it is known, or `over`."""
    while not over.is_set():
        try:
            with app.connection_for_read() as connection:
                channel = connection.channel()
                count = channel.client.hlen(channel.unacked_key)
        except Exception:  # whatever a transport raises while its broker is away
            over.wait(_AGAIN_SECONDS)
            continue
        if count:
            are, them = ("are", "them") if count > 1 else ("is", "it")
            message = "messages" if count > 1 else "message"
            warn(
                f"{count} {message} {are} held by a celery worker, or {are} left of one that was killed: when none "
                f"runs any more, `fleet dead adopt-unacked` puts {them} back"
            )
        return
