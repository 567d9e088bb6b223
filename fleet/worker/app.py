"""Import the modules with the tasks, and say in one message what is wrong when that fails."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fleet import tasks
from fleet.worker.errors import BootFailed
from fleet.worker.execution import Target
from fleet.worker.outcome import Policy, under


def extend_path(pythonpath: Iterable[str]) -> None:
    """Put these folders first on sys.path, in their order."""
    for folder in reversed(list(pythonpath)):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def load_app(app: Iterable[str], pythonpath: Iterable[str], group: Policy) -> dict[str, Target]:
    """Task name → what to call. `group` holds for what a task does not say itself.

    Raises BootFailed as `import_app` does.
    """
    import_app(app, pythonpath)
    return {name: target_of(task, group) for name, task in tasks.registry.items()}


def import_app(app: Iterable[str], pythonpath: Iterable[str]) -> None:
    """Raises BootFailed with the error and its place, whatever the modules raise."""
    extend_path(pythonpath)
    for module in app:
        try:
            importlib.import_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a module is a failed import, too
            raise BootFailed(f"the app {module!r} can't be imported: {describe(error)}") from error


def target_of(task: tasks.Task[..., Any], group: Policy) -> Target:
    """What the task names itself goes before what holds for its group."""
    fields = {name: getattr(task, name) for name in Policy._fields}
    own = {name: value for name, value in fields.items() if value is not None}
    return Target(task.function, under(group, own), own)


def describe(error: BaseException) -> str:
    """`ModuleNotFoundError: No module named 'shp' (/srv/shop/tasks.py, line 3)`."""
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{last} ({error.filename}, line {error.lineno})"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # importlib's own frames say nothing, nor does ours.
        if not frame.filename.startswith("<frozen") and Path(frame.filename) not in _OURS:
            return f"{last} ({frame.filename}, line {frame.lineno})"
    return last


_OURS = {Path(__file__), Path(importlib.__file__)}
