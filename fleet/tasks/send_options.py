"""The options of one message that is sent: what `send` takes beside the task's arguments."""

from __future__ import annotations

from typing import NamedTuple


class SendOptions(NamedTuple):
    """How one message is sent; None leaves it to the task and to fleet.toml."""

    queue: str | None = None
    priority: int | None = None
    delay_seconds: float | None = None
    expires_seconds: float | None = None
    time_limit_seconds: float | None = None
    soft_time_limit_seconds: float | None = None
