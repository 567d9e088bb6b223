"""The public names for an app: @task and its `send`, Retry, `current`, and the registry of all tasks of this process.

Light on purpose: the app imports it, so does every pool process. Nothing of the broker is loaded before the
first `send`.
"""

from __future__ import annotations

from fleet.tasks.running import Current, Retry, SoftTimeLimitExceeded, current, outliving_task, running
from fleet.tasks.task import DuplicateTask, Task, registry, task

__all__ = [
    "Current",
    "DuplicateTask",
    "Retry",
    "SoftTimeLimitExceeded",
    "Task",
    "configure",
    "current",
    "outliving_task",
    "registry",
    "running",
    "task",
]


def configure(path: str, *, env: str | None = None) -> None:
    """Send by the rules of this fleet.toml (and its [env.`env`]) instead of looking for one.

    It is read at the next `send`. Inside a worker the fleet's own routing holds and this does nothing.
    """
    from fleet.tasks.routing import use_file

    use_file(path, env)
