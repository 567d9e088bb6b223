"""The predecessor of a worker: an earlier process of the same program, which is dead, and held claims."""

from __future__ import annotations

from collections.abc import Callable

from fleet.instance import lives


def is_predecessor(owner: str, of: str, *, lives: Callable[[str], bool] = lives) -> bool:
    """Whether `owner` was an earlier process of the same program.

    Both as WorkerLaunch.identity makes them; without a token nothing is known. Of the supervisor's programs there is
    one process at a time. What `fleet worker` starts has a token "<instance>.<nonce>": the same instance (a pod, a
    container, a host) may have several processes, and `lives` tells which of them is still there.
    """
    name, _, process = of.rpartition(":")
    token = process.partition("/")[2]
    if not token or owner == of or not owner.startswith(f"{name}:"):
        return False
    instance, dot, _ = token.partition(".")
    if not dot:
        return owner.endswith(f"/{token}")
    theirs = owner.rpartition(":")[2].partition("/")[2]
    return theirs.startswith(f"{instance}.") and theirs != token and not lives(theirs)
