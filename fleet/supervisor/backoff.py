"""The backoff of the supervisor: how long a program that ended waits for its next start. A pure decision.

The first crash after a healthy life costs nothing; then 0.5, 1, 2 … 30 seconds, jittered, so that many
replicas which fail for one reason don't return in step. Nothing is ever given up.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.launch_specs import Exit

HEALTHY_SECONDS = 10.0
"""Who lived this long has no crashes behind it."""

CONDEMNED_SECONDS = 120.0
"""What one that had to be killed lived longer at least: trouble takes a while to be seen."""

CLEAN_SECONDS = 1.0
"""An exit with code 0 before this is as much a loop as a crash."""

WINDOW_SECONDS = 600.0
"""Over which crashes are counted although healthy lives lie between them."""

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0

FAILED_AFTER = 5
"""Crashes in a row from which a program counts as failed; it is retried all the same."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The verdict on one exit."""

    crashes: int  # in a row, this exit included
    delay_seconds: float


def is_crash(code: int | None, uptime_seconds: float) -> bool:
    return code != Exit.OK or uptime_seconds < CLEAN_SECONDS


def after_exit(
    code: int | None, uptime_seconds: float, crashes: int, jitter: float, *, condemned: bool = False
) -> Restart:
    """`code` is None after a signal; `crashes` are those in a row before; `jitter` is from [0, 1);
    `condemned`: it was killed because it lived but did no work.
    """
    healthy = HEALTHY_SECONDS + (CONDEMNED_SECONDS if condemned else 0.0)
    before = 0 if uptime_seconds >= healthy else crashes
    if not is_crash(code, uptime_seconds):
        return Restart(before, 0.0)
    now = before + 1
    # A program that can't boot won't boot a millisecond later either.
    steps = now if code == Exit.BOOT_FAILED else now - 1
    return Restart(now, _pause(steps, jitter))


def _pause(steps: int, jitter: float) -> float:
    if steps < 1:
        return 0.0
    doubled = FIRST_SECONDS * 2.0 ** min(steps - 1, 30)
    return min(LONGEST_SECONDS, doubled) * (1.0 - 0.25 * jitter)
