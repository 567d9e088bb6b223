"""`python -m fleet.worker LAUNCH_FILE`: learn which pool it is, patch for it, and only then load the rest.

`python -m fleet.worker --preload WHAT` becomes such a worker whenever it is told to, in a fork (see zygote).
"""

from __future__ import annotations

import os
import sys

from fleet.early_signals import end_at_once_as_process_1

if __name__ == "__main__":
    end_at_once_as_process_1()  # until the watchdog hears them

from fleet.launch_specs import Exit, WorkerLaunch
from fleet.worker import monkey
from fleet.worker.errors import BootFailed
from fleet.worker.own_files import seen_by_all

_USAGE = 2


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--preload"]:
        from fleet.worker.zygote import serve

        arguments = serve(arguments[1])
    if len(arguments) != 1:
        os.write(2, b"usage: python -m fleet.worker LAUNCH_FILE\n")
        return _USAGE
    launch_file = seen_by_all(arguments[0])
    name = "worker"
    try:
        launch = _read(launch_file)
        name = launch.worker
        monkey.patch(launch.spec.pool)
        from fleet.worker.run import run

        return run(launch, launch_file)
    except BootFailed as error:
        from fleet.worker.log import Log

        Log(name).error(f"can't start: {error}")
        return Exit.BOOT_FAILED


def _read(path: str) -> WorkerLaunch:
    """Raises BootFailed."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  pathlib is not needed here
            return WorkerLaunch.from_json(file.read())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BootFailed(f"launch file {path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
