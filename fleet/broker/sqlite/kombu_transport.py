"""kombu's transport for `sqlite:///path`: what lets kombu and Celery clients use the embedded broker.

`fleet.broker.kombu_transport.aliases` makes kombu know the scheme.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from fleet.broker.kombu_transport import transport as virtual
from fleet.broker.leased.lifetimes import Lifetimes
from fleet.broker.leased.store import LeasedStore
from fleet.broker.sqlite.lifetimes import SqliteLifetimes
from fleet.broker.sqlite.store import SqliteStore


class Transport(virtual.Transport):
    driver_type = "sqlite"
    driver_name = "fleet"

    def open_store(self) -> tuple[LeasedStore, Lifetimes]:
        path = Path(self.client.virtual_host or "fleet.db")
        owner = f"kombu-{os.getpid()}-{uuid4().hex[:8]}"
        store = SqliteStore(path, owner=owner, lease_seconds=self.lease_seconds)
        return store, SqliteLifetimes(store)

    def driver_version(self) -> str:
        from fleet import __version__

        return __version__
