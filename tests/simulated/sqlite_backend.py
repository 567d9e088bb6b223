"""The embedded broker as a backend of schedules: the real store on a real file, whose disk has its moods."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

from fleet.broker.delivery import Posting
from fleet.broker.leased import consumer as line
from fleet.broker.reposting import DEATH_HEADER
from fleet.broker.sqlite import file as sqlite_file
from fleet.broker.sqlite import store as sqlite_store
from fleet.broker.sqlite import wake as sqlite_wake
from fleet.broker.sqlite.rows import insert
from fleet.broker.sqlite.store import SqliteStore
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from tests.simulated.backend import DEAD, QUEUE, Patch
from tests.simulated.choices import Choices
from tests.simulated.clock import EPOCH, Clock
from tests.simulated.judge import Judge
from tests.simulated.leased import Held, LeasedBackend
from tests.simulated.network import Network
from tests.simulated.sqlite_faults import FAILING, Disk, module

_MEMORY = Path("/dev/shm")  # a disk would only make it slow: nothing here cuts the power


class SqliteBackend(LeasedBackend):
    name = "sqlite"
    faults = FAILING
    store = SqliteStore

    def __init__(self, clock: Clock, choices: Choices, judge: Judge) -> None:
        super().__init__(clock, choices, judge)
        self.network = Network(clock, choices)
        self._disk = Disk(clock, choices)
        self._folder = Path(
            tempfile.mkdtemp(prefix="fleet-simulated-", dir=_MEMORY if _MEMORY.is_dir() else None)
        )
        self._path = self._folder / "broker.db"
        self._listeners: list[sqlite_wake.Listener] = []
        self.queues = (QueueSpec(QUEUE, dead_letter=DEAD),)
        self.broker = BrokerSpec(f"sqlite:///{self._path}")
        calm, choices.calm = choices.calm, True
        SqliteStore(self._path).close()
        choices.calm = calm
        self._look = sqlite3.connect(self._path, isolation_level=None)

    def patches(self) -> list[Patch]:
        listeners = self._listeners

        class Listener(sqlite_wake.Listener):
            def __init__(self, folder: Path) -> None:
                super().__init__(folder)
                listeners.append(self)

            def close(self) -> None:
                listeners.remove(self)
                super().close()

        return [
            (sqlite_file, "sqlite3", module(self._disk.connect)),
            (sqlite_file, "_flush", self._disk.flush),
            (sqlite_file, "random", random.Random(0)),
            (sqlite_wake, "random", random.Random(0)),
            (sqlite_store, "Listener", Listener),
            (line, "wait_readable", self.network.wait_readable),
            *self.watched(),
        ]

    def open_store(self, owner: str) -> SqliteStore:
        return SqliteStore(self._path, owner=owner)

    def put(self, message: Encoded) -> None:
        insert(self._look, [Posting(QUEUE, message)], EPOCH + self.clock.now)

    def copies(self) -> list[Held]:
        rows = self._look.execute("SELECT queue, owner, meta FROM messages").fetchall()
        return [
            (
                "dead" if queue == DEAD else "waiting" if owner is None else "claimed",
                json.loads(meta)[0]["id"],
            )
            for queue, owner, meta in rows
        ]

    def claimed_by(self, owner: str) -> list[str]:
        sql = "SELECT meta FROM messages WHERE owner IN (SELECT id FROM owners WHERE name = ?)"
        return [json.loads(meta)[0]["id"] for (meta,) in self._look.execute(sql, (owner,)).fetchall()]

    def dead(self) -> dict[str, str]:
        rows = self._look.execute("SELECT meta FROM messages WHERE queue = ?", (DEAD,)).fetchall()
        headers = [json.loads(meta)[0] for (meta,) in rows]
        return {each["id"]: each[DEATH_HEADER]["reason"] for each in headers}

    def crash(self) -> None:
        self._disk.close()
        for listener in self._listeners:
            with suppress(OSError):
                os.close(listener.fileno)
        self._listeners.clear()

    def close(self) -> None:
        self.crash()
        self._look.close()
        shutil.rmtree(self._folder, ignore_errors=True)
