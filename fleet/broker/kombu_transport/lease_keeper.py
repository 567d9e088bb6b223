"""Keeps the leases of a kombu connection from a thread of its own, for as long as the connection is there."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Protocol

from fleet.broker.delivery import BrokerUnavailable
from fleet.spec import renewal_seconds

log = logging.getLogger(__name__)


class _Kept(Protocol):
    lease_seconds: float

    def keep(self) -> None:
        """Whatever has to be done as often as leases are renewed."""


class LeaseKeeper:
    """Calls `kept.keep()` until `stop`, or until nobody has `kept` any more.

    A client that forgets its connection without closing it must not hold its messages for ever.
    """

    def __init__(self, kept: _Kept) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=_run,
            args=(weakref.ref(kept), renewal_seconds(kept.lease_seconds), self._stopped),
            name="fleet-leases",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()


def _run(kept: weakref.ref[_Kept], period: float, stopped: threading.Event) -> None:
    while not stopped.wait(period):
        alive = kept()
        if alive is None:
            return
        try:
            alive.keep()
        except BrokerUnavailable as error:
            log.warning("could not keep the leases, trying again in %.0f s: %s", period, error)
        except Exception:
            log.exception("could not keep the leases, trying again in %.0f s", period)
        del alive
