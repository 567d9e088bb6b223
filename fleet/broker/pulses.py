"""The role of what carries pulses of hosts through a broker: each host's latest text, and how old it is."""

from __future__ import annotations

from typing import Protocol

KEPT_SECONDS = 3600.0
"""Then a host that has fallen silent is forgotten."""
MOST_HOSTS = 1000
LONGEST_BYTES = 1 << 20
"""Of one text: whoever may publish there may say anything."""


class Pulses(Protocol):
    """Connected at its first use and after any error; each method may block for some seconds and raise
    BrokerUnavailable. To be used by one thread at a time.
    """

    @property
    def remembers(self) -> bool:
        """Whether the broker keeps what was said: else one hears only what is said from now on."""
        ...

    def publish(self, host: str, text: str) -> None:
        """In place of what `host`, an id, has said before; "" takes that away."""
        ...

    def heard(self) -> dict[str, tuple[str, float]]:
        """By id what each host has said last, and how many seconds ago: never by the clock of who said it."""
        ...

    def close(self) -> None: ...
