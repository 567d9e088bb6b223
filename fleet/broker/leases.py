"""What somebody else does with the claims of a worker: give back those of a dead one, keep those of a mute one."""

from __future__ import annotations

from fleet.broker.stores import is_leased, is_there, open_store
from fleet.spec import BrokerSpec


def is_predecessor(owner: str, of: str) -> bool:
    """Whether `owner` was an earlier process of the same program: then it is dead, for there is one at a time.

    Both as WorkerLaunch.identity makes them; without a token nothing is known.
    """
    name, _, process = of.rpartition(":")
    token = process.partition("/")[2]
    return bool(token) and owner != of and owner.startswith(f"{name}:") and owner.endswith(f"/{token}")


def release_owner(broker: BrokerSpec, owner: str) -> int:
    """Make ready again what `owner` (a Link's `identity`) had claimed; how many those were.

    0 on brokers that bind claims to a connection. Raises BrokerUnavailable.
    """
    if not is_leased(broker.url) or not is_there(broker):
        return 0
    store = open_store(broker)
    try:
        return store.release_owner(owner)
    finally:
        store.close()


def renew_owner(broker: BrokerSpec, owner: str) -> None:
    """Push out the lease of `owner`, which lives, as it would itself. Raises BrokerUnavailable."""
    if not is_leased(broker.url) or not is_there(broker):
        return
    store = open_store(broker)
    try:
        store.renew_owner(owner)
    finally:
        store.close()
