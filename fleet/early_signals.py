"""As process 1 of a container: end at SIGTERM also before anybody has said what it shall mean.

For process 1 the kernel leaves out what a signal does by itself: without a handler of its own it is as if nobody had
asked, and who asked waits until he loses patience. Loads nothing: workers call this before they patch.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

_ENDING = (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)


def end_at_once_as_process_1() -> None:
    """From here on, until others are installed; what runs is only being loaded. Elsewhere the default does it."""
    if os.getpid() == 1:
        for signum in _ENDING:
            _signal.signal(signum, _end)


def _end(signum: int, _frame: object) -> None:
    os._exit(128 + signum)
