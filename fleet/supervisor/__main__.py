"""`python -m fleet.supervisor STATE_DIR CONTROLLER_JSON`: the process that `fleet up` becomes.

A process of its own image, so that what lives for weeks has neither the configuration's nor the CLI's
modules loaded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fleet.launch_specs import ProgramSpec
from fleet.statedir import StateDir
from fleet.supervisor.companion import Companion
from fleet.supervisor.engine import EngineError, run
from fleet.supervisor.lock import AlreadyRunning


def main() -> int:
    parser = argparse.ArgumentParser(prog="fleet-supervisor")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("controller", help="the first program, a ProgramSpec as JSON")
    parser.add_argument("--lock-fd", type=int, help="descriptor of the lock, already taken")
    parser.add_argument("--companion", type=int, nargs=2, metavar=("PID", "FD"), help="see companion.py")
    arguments = parser.parse_args()
    controller = ProgramSpec.from_json(arguments.controller)
    companion = Companion(*arguments.companion) if arguments.companion else None
    try:
        return run(StateDir(arguments.state_dir), controller, lock_fd=arguments.lock_fd, companion=companion)
    except AlreadyRunning as error:
        print(f"fleet: {error}", file=sys.stderr)  # noqa: T201
        return 73
    except (EngineError, OSError) as error:
        print(f"fleet: {error}", file=sys.stderr)  # noqa: T201
        return 70


if __name__ == "__main__":
    sys.exit(main())
