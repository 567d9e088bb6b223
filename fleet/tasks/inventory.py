"""Import an app and tell what tasks it defines: `python -m fleet.tasks.inventory ANSWERS CORD QUESTION`.

For `fleet validate --app`. A process of its own, because an import may do anything: exit, crash, hang,
print. So the answers go into a file, a line of JSON each, whose descriptor is ANSWERS. CORD is the descriptor of a
pipe: when nobody holds its other end any more, all that the import has started ends. QUESTION is JSON: [modules,
folders of pythonpath].
"""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, Any

from fleet.launch_specs import celery_entries


def main(answers: str, cord: str, question: str) -> None:
    """Notes each module before its import: so whoever reads knows which one never came back."""
    _end_with(int(cord))
    faulthandler.enable()  # a crash, or SIGABRT, writes where
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    modules, pythonpath = json.loads(question)
    found: dict[str, Any] = {"tasks": []}
    sys.path[:0] = [folder for folder in pythonpath if folder not in sys.path]
    with open(int(answers), "a", encoding="utf-8") as file:  # noqa: PTH123
        for index, module in enumerate(modules):
            _tell(file, {"importing": index})
            try:
                if module in celery_entries(tuple(modules)):
                    found |= importlib.import_module("fleet.celery.inventory").take(module)
                else:
                    importlib.import_module(module)
            except BaseException as error:
                _tell(file, {"failed": index, **describe(error)})
                return
        from fleet.tasks import registry

        found["tasks"] += [_described(registry[name]) for name in sorted(registry)]
        _tell(file, found)


def _end_with(cord: int) -> None:
    """Leave a process behind that kills this process group when `cord` ends: a signal handler or a thread of ours would
    not run while an import holds the interpreter, and whoever asked may be killed without a word.

    Forked twice, for the app may wait for children of its own.
    """
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        os.close(cord)
        return
    try:
        if os.fork() == 0:
            os.read(cord, 1)
            os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(0)


def describe(error: BaseException) -> dict[str, Any]:
    """`reason`: the last line of the traceback. `file`, `line`: the innermost place in the app's own code."""
    if isinstance(error, SystemExit):
        reason = f"it ends the process: sys.exit({error.code!r})"
    elif type(error).__name__ == "BootFailed":  # a Celery app that is none: it says all
        return {"reason": str(error)}
    else:
        reason = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        return {"reason": reason, "file": error.filename, "line": error.lineno}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and Path(frame.filename) not in _OURS
    ]
    mine = [frame for frame in frames if not _is_library(frame.filename)] or frames
    place = {"file": mine[-1].filename, "line": mine[-1].lineno} if mine else {}
    return {"reason": reason, **place}


def _is_library(filename: str) -> bool:
    return "site-packages" in filename or filename.startswith(str(Path(os.__file__).parent))


def _described(task: Any) -> dict[str, Any]:
    from fleet.tasks.task import is_async

    code = getattr(inspect.unwrap(task.function), "__code__", None)
    place = {"file": code.co_filename, "line": code.co_firstlineno} if code else {}
    return {"name": task.name, "queue": task.queue, "is_async": is_async(task.function), **place}


def _tell(file: IO[str], what: dict[str, Any]) -> None:
    file.write(json.dumps(what) + "\n")
    file.flush()


_OURS = {Path(__file__), Path(importlib.__file__)}

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)  # neither threads nor exit hooks of the app may keep us
