"""The stand-in for Celery's worker: the sender of worker signals, with the attributes that handlers look at.

Celery's is a WorkController; the Django fixup reads `pool_cls`, handlers read `app`, `hostname`, `concurrency`.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from fleet.worker.app import AppSpec

if TYPE_CHECKING:
    from celery import Celery

NODE_NAME = "FLEET_CELERY_NODENAME"
_POOL_MODULES = {"threads": "thread"}


def node_name(worker: str) -> str:
    """What remote control and events call it: "http-0@host" for the worker http/0, unless the environment says."""
    return os.environ.get(NODE_NAME) or f"{worker.replace('/', '-')}@{socket.gethostname()}"


class WorkerStandIn:
    """In place of celery.worker.WorkController."""

    autoscaler = None
    task_events = None
    purge = False
    is_ready = False

    def __init__(self, app: Celery, hostname: str, spec: AppSpec) -> None:
        module = f"celery.concurrency.{_POOL_MODULES.get(spec.pool, spec.pool)}"
        self.app = app
        self.hostname = hostname
        self.concurrency = 1 if spec.pool == "solo" else spec.concurrency
        self.queues = spec.queues
        self.pool_cls: Any = type("TaskPool", (), {"__module__": module})
        self.pid = os.getpid()
        self.loglevel = None
        self.logfile = None
        self.options: dict[str, Any] = {}
        self.controller = self
        self.consumer: Any = self

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname}>"
