"""The crash of the worker's own code, in whichever thread: say what, and end the process at once."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.visible import visible_lines
from fleet.worker.errors import BootFailed

_EXIT_CODE = 1


@contextmanager
def fatal() -> Iterator[None]:
    """Around what a thread of the worker is there for. The supervisor starts another worker.

    Python's own way out waits for pool processes, which wait for work: the loop would be gone, while the
    threads beside it go on reporting and renewing as if it were not.
    """
    try:
        yield
    except BootFailed:
        raise
    except BaseException:
        sys.stderr.write(visible_lines(traceback.format_exc()))
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(_EXIT_CODE)
