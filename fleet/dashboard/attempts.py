"""The limit on attempts to log in: so many failures a minute from one address, and from all together."""

from __future__ import annotations

from collections import deque

EACH, ALL = 5, 30
_SECONDS = 60.0


class Attempts:
    """Times are monotonic seconds. At most ALL failures are remembered."""

    def __init__(self) -> None:
        self._failures: deque[tuple[float, str]] = deque(maxlen=ALL)

    def allowed(self, address: str, now: float) -> bool:
        while self._failures and now - self._failures[0][0] > _SECONDS:
            self._failures.popleft()
        of_this = sum(where == address for _, where in self._failures)
        return of_this < EACH and len(self._failures) < ALL

    def failed(self, address: str, now: float) -> None:
        self._failures.append((now, address))
