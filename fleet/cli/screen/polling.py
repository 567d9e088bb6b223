"""The questions of `fleet top` to the controller, in a thread of their own: one a second, whatever is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from fleet.cli.screen.model import PATHS, Answered
from fleet.visible import all_visible, visible

_EVERY_SECONDS = 1.0


class Poller(threading.Thread):
    """`known` is replaced, never changed; `wake` is called, in this thread, when it was."""

    def __init__(self, client: ApiClient, wake: Callable[[], None]) -> None:
        super().__init__(name="poller", daemon=True)
        self.known = Answered()
        self._client = client
        self._wake = wake
        self._needs: tuple[str, ...] = ()
        self._turn = 0
        self._hurry = threading.Event()

    def show(self, needs: tuple[str, ...]) -> None:
        """What is wanted beside the status from now on; what is not known yet is asked for at once."""
        if needs != self._needs:
            self._needs = needs
            self.hurry()

    def hurry(self) -> None:
        """Something has been changed: do not wait for the next second."""
        self._turn = 0
        self._hurry.set()

    def run(self) -> None:
        while True:
            self._hurry.clear()
            self.ask(self.next())
            self._wake()
            if self.known.trouble or not self._missing():
                self._hurry.wait(_EVERY_SECONDS)

    def _missing(self) -> list[str]:
        known = self.known
        return [
            name
            for name in ("status", *self._needs)
            if name not in known.answers and name not in known.failures
        ]

    def next(self) -> str:
        """The status every other time, in between each need in its turn; but first what is not known at all."""
        if self.known.trouble:
            return "status"
        if missing := self._missing():
            return missing[0]
        self._turn += 1
        if self._turn % 2 or not self._needs:
            return "status"
        return self._needs[self._turn // 2 % len(self._needs)]

    def ask(self, name: str) -> None:
        known = self.known
        try:
            answer = shown(name, self._client.get(PATHS[name]))
        except ControllerUnavailable as error:
            self.known = replace(known, trouble=visible(str(error)))
        except ApiError as error:
            if name == "status":
                self.known = replace(known, trouble=visible(str(error)))
            else:
                self.known = replace(
                    known, at=time.time(), failures={**known.failures, name: visible(str(error))}
                )
        else:
            failures = {other: why for other, why in known.failures.items() if other != name}
            answers = {**known.answers, name: answer}
            self.known = Answered(answers=answers, at=time.time(), failures=failures)


def shown(name: str, answer: Any) -> Any:
    """Every text visible on its line; tracebacks as lists of lines."""
    visible_answer = all_visible(answer)
    if name == "errors":
        for raw, each in zip(answer["errors"], visible_answer["errors"], strict=True):
            trace = raw["example"].get("traceback") or ""
            each["example"]["traceback"] = [visible(line) for line in trace.splitlines()]
    return visible_answer
