"""A program's stdout and stderr, from its pipe into its log file."""

from __future__ import annotations

from typing import Any

from supervisor.dispatchers import PDispatcher

from fleet.supervisor.logfile import RotatedLog


class Output(PDispatcher):  # type: ignore[misc]
    """An entry of supervisord's map of descriptors; one read a pass, so that a flood can't hold up the
    others.
    """

    def __init__(self, process: Any, fd: int, log: RotatedLog) -> None:
        super().__init__(process, "stdout", fd)
        self._log = log

    def readable(self) -> bool:
        return not self.closed

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        data = self.process.config.options.readfd(self.fd)
        if data:
            self._log.write(data)
        else:
            self.close()

    def handle_write_event(self) -> None:
        raise NotImplementedError

    def reopenlogs(self) -> None:
        self._log.close()

    def removelogs(self) -> None:
        """Logs are kept."""
