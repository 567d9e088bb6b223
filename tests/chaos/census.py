"""Counts, all through a run, what the broker holds: never more than was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Census:
    """`holds` counts the messages on the broker, and raises AssertionError when it can't be asked just now.

    `most` is how many there may be: asked afterwards, so that it is never behind.
    """

    holds: Callable[[], int]
    most: Callable[[], int]
    every_seconds: float
    samples: int = 0
    excess: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-census", daemon=True)

    def __enter__(self) -> Census:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(90)

    def _run(self) -> None:
        while not self._over.wait(self.every_seconds):
            self.look()

    def look(self) -> None:
        """Twice before it is believed: a message on its way from one queue to another may be counted in both."""
        if self._exceeds() and (found := self._exceeds()):
            self.excess.append(found)

    def _exceeds(self) -> str:
        try:
            held = self.holds()
        except AssertionError:
            return ""  # it is being restarted
        self.samples += 1
        most = self.most()
        return f"{held} messages on the broker, {most} at most have been sent" if held > most else ""

    @property
    def problem(self) -> str:
        """Empty when there never were too many."""
        if not self.excess:
            return ""
        return f"multiplied ({len(self.excess)} of {self.samples} looks): {self.excess[-1]}"
