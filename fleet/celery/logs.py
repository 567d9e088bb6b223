"""Logging as Celery's worker sets it up: by the app's settings, to stderr, and not at all if the app does it itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery


def set_up(app: Celery, node_name: str, level: str) -> None:
    """A receiver of `setup_logging` is in charge then; `worker_hijack_root_logger` and the formats hold."""
    handled = app.log.setup(level, None, redirect_stdouts=False, colorize=False, hostname=node_name)
    if not handled and app.conf.worker_redirect_stdouts:
        app.log.redirect_stdouts(app.conf.worker_redirect_stdouts_level)
