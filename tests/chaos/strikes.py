"""Faults that have struck, and how long each may go unnoticed."""

from __future__ import annotations

from dataclasses import dataclass

# What has ended may not be settled yet: acks go out together, and this machine is loaded.
SETTLING_SECONDS = 1.0
RECONNECTED_SECONDS = 3.0
# That a silent connection is dead shows on RabbitMQ after some heartbeats, on Redis when a reply is overdue.
_NOTICED_SECONDS = {"half_open": 15.0, "freeze": 15.0, "promote": 15.0, "sentinel": 15.0}


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that has struck, monotonic seconds; at `ended` all was whole again but for what was killed."""

    kind: str
    began: float
    ended: float
    killed: frozenset[int] = frozenset()

    @property
    def lasted(self) -> float:
        return self.ended - self.began

    @property
    def noticed_seconds(self) -> float:
        """After its end, until everybody knows."""
        return _NOTICED_SECONDS.get(self.kind, 0.0)
