"""Signals to the supervisor that it does not leave to supervisord: SIGHUP, and a second one to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Signals:
    """`on_hangup` hands SIGHUP to the controller, which reads the file; `on_impatience` ends the drain at once."""

    def __init__(self) -> None:
        self.on_hangup: Callable[[], None] = lambda: None
        self.on_impatience: Callable[[], None] = lambda: None

    def take(self, signum: int | None, *, stopping: bool) -> bool:
        """Whether it was for here. On SIGHUP supervisord would restart everything."""
        if signum == signal.SIGHUP:
            self.on_hangup()
            return True
        if signum in _STOPPING and stopping:
            self.on_impatience()
            return True
        return False
