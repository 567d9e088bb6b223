"""The queue that a Celery app's own router chooses for a task, for `send` and `route` where no rule does."""

from __future__ import annotations

from pathlib import Path

from fleet.cli.file.loading import load_fleet
from fleet.cli.options import Failure


def celery_queue(file: Path | None, env: str | None, task: str) -> str | None:
    """The app is imported, in a process of its own. None when there is none. Raises Failure."""
    fleet = load_fleet(file, env)
    from fleet.cli.file.app_inventory import SECONDS, take_inventory
    from fleet.config.resolve import app_import
    from fleet.launch_specs import celery_entries
    from fleet.rules.app import AppFailure

    if not celery_entries(fleet.project.app):
        return None
    found = take_inventory(app_import(fleet), fleet.folder, SECONDS)
    if isinstance(found, AppFailure):
        raise Failure(
            f"no rule takes {task}, and the app `{found.module}` can't be asked: {found.reason}; "
            "--queue names a queue"
        )
    queues = {each.name: each.queue for each in found.tasks if each.routed}
    if task not in queues:
        raise Failure(
            f"no rule takes {task}, and the Celery app has no task of that name: --queue names a queue"
        )
    return queues[task]
