"""Import the modules with the tasks, and say in one message what is wrong when that fails."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from fleet.launch_specs import module_of
from fleet.worker.errors import BootFailed


def extend_path(pythonpath: Iterable[str]) -> None:
    """Put these folders first on sys.path, in their order."""
    for folder in reversed(list(pythonpath)):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def import_app(app: Iterable[str], pythonpath: Iterable[str]) -> None:
    """Import the modules of all entries; of a Celery app ("proj.celery:app") the one that holds it.

    Raises BootFailed as `import_module` does.
    """
    extend_path(pythonpath)
    for entry in app:
        import_module(module_of(entry))


def import_module(name: str) -> ModuleType:
    """Raises BootFailed with the error and its place, whatever the module raises."""
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() in a module is a failed import, too
        raise BootFailed(f"the app {name!r} can't be imported: {describe(error)}") from error


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
