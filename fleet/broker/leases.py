"""The leases of a worker in somebody else's hands: those of a dead one given back, those of a mute one kept."""

from __future__ import annotations

from fleet.broker.open import is_leased, is_there, open_store
from fleet.spec import BrokerSpec


def release_owner(broker: BrokerSpec, owner: str, last_attempt: int = 0) -> int:
    """Make ready again what `owner` (a Link's `identity`) had claimed; how many those were.

    0 on brokers that bind claims to a connection. `last_attempt` as in LeasedStore. Raises BrokerUnavailable.
    """
    if not is_leased(broker.url) or not is_there(broker):
        return 0
    store = open_store(broker)
    try:
        return store.release_owner(owner, last_attempt)
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
