"""Run the contract tests on Celery's private names, and real tasks, with the lowest and the highest Celery allowed.

    python -m tests.celery [PYTEST-ARGUMENTS...]

Arguments take the place of what is run: `python -m tests.celery tests/celery/test_losses.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.celery.versions import declared, python_with
from tests.celery_worker.environment import CantInstall
from tests.support import ROOT

CONTRACT = (
    *("-q", "-p", "no:cacheprovider"),
    *(f"tests/celery/test_{name}.py" for name in ("private_names", "running", "losses", "remote_control")),
    *("-k", "private_names or prefork-redis or restart"),
)


def main(arguments: list[str]) -> int:
    lowest, highest = declared()
    wanted = [f"celery=={lowest[0]}.{lowest[1]}.0", f"celery=={highest[0]}.{highest[1]}.*"]
    failed = []
    for each in wanted:
        print(f"== {each}", flush=True)
        try:
            interpreter = python_with(each)
        except CantInstall as error:
            print(f"NOT RUN: it can't be installed here: {error}", file=sys.stderr)
            continue
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [interpreter, "-m", "pytest", *(arguments or CONTRACT)]
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            failed.append(each)
    if failed:
        print(f"FAILED with {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
