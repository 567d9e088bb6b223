"""Import an app and tell what tasks it defines: `python -m fleet.tasks.inventory ANSWERS QUESTION`.

For `fleet validate --app`. A process of its own, because an import may do anything: exit, crash, hang,
print. So the answers go into a file, ANSWERS, a line of JSON each. QUESTION is JSON: [modules, folders of
pythonpath].
"""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import IO, Any


def main(answers: str, question: str) -> None:
    """Notes each module before its import: so whoever reads knows which one never came back."""
    faulthandler.enable()  # a crash, or SIGABRT, writes where
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    modules, pythonpath = json.loads(question)
    sys.path[:0] = [folder for folder in pythonpath if folder not in sys.path]
    with Path(answers).open("a", encoding="utf-8") as file:
        for index, module in enumerate(modules):
            _tell(file, {"importing": index})
            try:
                importlib.import_module(module)
            except BaseException as error:
                _tell(file, {"failed": index, **describe(error)})
                return
        from fleet.tasks import registry

        _tell(file, {"tasks": [_described(registry[name]) for name in sorted(registry)]})


def describe(error: BaseException) -> dict[str, Any]:
    """`reason`: the last line of the traceback. `file`, `line`: the innermost place in the app's own code."""
    if isinstance(error, SystemExit):
        reason = f"it ends the process: sys.exit({error.code!r})"
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
    code = getattr(inspect.unwrap(task.function), "__code__", None)
    place = {"file": code.co_filename, "line": code.co_firstlineno} if code else {}
    return {"name": task.name, "queue": task.queue, **place}


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
