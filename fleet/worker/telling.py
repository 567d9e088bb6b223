"""The teller of a worker's statistics: when they are told, and how they outlive it. The watchdog's, beside reports.

Every few seconds what has changed; all of it to a controller that is new; and in the end all of it into a file, for the
controller may be away just then, or be killed before it has written down what it heard. It takes from the file what it
does not know, and removes it.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

from fleet.clock import time
from fleet.telemetry import Statistics, WorkerAnswer, worker_folder
from fleet.worker.control_client import ControlClient
from fleet.worker.stats import Stats

EVERY_SECONDS = 10.0
_ERRORS_A_LINE = 20  # each with a traceback, and the controller takes no line of more than a megabyte
_AGAIN_SECONDS = 0.05
_MOST_ANSWERS = 20


class Teller:
    """For the watchdog's thread."""

    def __init__(self, stats: Stats, client: ControlClient) -> None:
        self._stats = stats
        self._statistics = stats.statistics
        self._client = client
        self._answers: deque[WorkerAnswer] = deque(maxlen=_MOST_ANSWERS)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Who listens knows nothing yet."""
        self._tasks_told: dict[tuple[str, str], float] = {}
        self._errors_told: dict[tuple[str, str], tuple[int, float]] = {}
        self._has_told = False
        self._at = 0.0  # monotonic: when to look for what has changed

    def answer(self, answer: WorkerAnswer) -> None:
        self._answers.append(answer)

    def tell(self, now: float) -> None:
        """What there is to tell, as far as the line to the controller takes it."""
        while self._answers and self._client.has_room:
            self._client.send_line(self._answers.popleft().to_json())
        if now < self._at or not (self._client.has_room and self._client.understands_statistics):
            return
        self._statistics.set_clock()
        told = self._changed()
        if told is None:
            self._at = now + EVERY_SECONDS
        else:
            self._client.send_line(told.to_json())
            self._has_told = True

    def next_in(self, now: float) -> float | None:
        """Seconds until `tell` has something to do; None while nobody listens."""
        if self._client.interest() is None:
            return None
        if self._answers:
            return _AGAIN_SECONDS
        return max(self._at - now, _AGAIN_SECONDS) if self._client.understands_statistics else None

    def _changed(self) -> Statistics | None:
        """The next line; None when all is told. The first is told whatever is in it: who says it, has answers."""
        statistics = self._statistics
        tasks = statistics.tell(self._tasks_told)
        errors = [] if tasks else statistics.errors.tell(self._errors_told, _ERRORS_A_LINE)
        if not tasks and not errors and self._has_told:
            return None
        return self._line(tasks=tuple(tasks), errors=tuple(errors))

    def _line(self, **what: object) -> Statistics:
        statistics = self._statistics
        return Statistics(
            self._stats.worker,
            os.getpid(),
            statistics.birth,
            dropped=statistics.errors.dropped,
            **what,  # type: ignore[arg-type]
        )

    def end(self) -> None:
        """Everything, into a file: the last word of this process. Never raises."""
        self._at = 0.0
        self.tell(time.monotonic())  # also to who listens: there may be no folder
        tasks = tuple(self._statistics.tell({}))
        folder = worker_folder(os.environ.get("FLEET_STATE_DIR", ""))
        if not tasks or folder is None:
            return
        whole = self._line(tasks=tasks, errors=tuple(self._statistics.errors.tell({}, 10**6)), last=True)
        path = Path(folder) / f"{self._statistics.birth}.statistics"
        with suppress(OSError):
            fd = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                data = whole.to_json().encode()
                complete = os.write(fd, data) == len(data)
            finally:
                os.close(fd)
            if complete:
                Path(f"{path}.part").replace(path)
