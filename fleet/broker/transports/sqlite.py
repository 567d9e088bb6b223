"""kombu's transport for `sqlite:///path`: what lets kombu and Celery clients use the embedded broker.

`fleet.broker.transports.aliases` makes kombu know the scheme.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from fleet.broker.transports import virtual
from fleet.broker.transports.leased import LeasedStore
from fleet.broker.transports.sqlite_store import SqliteStore


class Transport(virtual.Transport):
    driver_type = "sqlite"
    driver_name = "fleet"

    def open_store(self) -> LeasedStore:
        path = Path(self.client.virtual_host or "fleet.db")
        owner = f"kombu-{os.getpid()}-{uuid4().hex[:8]}"
        return SqliteStore(path, owner=owner, lease_seconds=self.lease_seconds)

    def driver_version(self) -> str:
        from fleet import __version__

        return __version__
