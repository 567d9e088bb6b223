"""The simulated Redis as a backend of schedules: redis-py and our transport run as they are, scripts included."""

from __future__ import annotations

import json
import re
from functools import cache

import redis.connection

from fleet.broker.leased import consumer as line
from fleet.broker.redis import RedisStore
from fleet.broker.redis import blocked_readers as waiting
from fleet.broker.redis.envelope import seal
from fleet.broker.redis.keys import Keys
from fleet.broker.reposting import DEATH_HEADER
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from tests.simulated.backend import DEAD, QUEUE, Patch
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.judge import Judge
from tests.simulated.leased import Held, LeasedBackend
from tests.simulated.network import SENDING, Network, Socket
from tests.simulated.redis_scripts import Lua
from tests.simulated.redis_server import REFUSING, Redis

_ID = re.compile(rb'"root_id": ?"([^"]+)"')


@cache
def lua() -> Lua:
    return Lua()


class RedisBackend(LeasedBackend):
    name = "redis"
    faults = (*REFUSING, *SENDING, "refused", "timed out")
    store = RedisStore

    def __init__(self, clock: Clock, choices: Choices, judge: Judge) -> None:
        super().__init__(clock, choices, judge)
        self.network = Network(clock, choices)
        self.redis = Redis(clock, choices, lua())
        self.network.accept = self.redis.connect
        self.queues = (QueueSpec(QUEUE, dead_letter=DEAD),)
        self.broker = BrokerSpec("redis://simulated:6379/0")
        self._keys = Keys()

    def patches(self) -> list[Patch]:
        network = self.network

        def connect(_connection: redis.connection.Connection) -> Socket:
            made = network.connect()
            made.settimeout(_connection.socket_timeout)
            return made

        return [
            (redis.connection.Connection, "_connect", connect),
            # Reads the library's package metadata for each connection.
            (redis.connection, "resolve_driver_info", lambda *_: None),
            (line, "wait_readable", network.wait_readable),
            (waiting, "descriptor_of", network.group),
            *self.watched(),
        ]

    def open_store(self, owner: str) -> RedisStore:
        return RedisStore(self.broker.url, owner=owner)

    def put(self, message: Encoded) -> None:
        envelope = seal(message, str(message.headers["id"]), "", QUEUE)
        self.redis.run(b"LPUSH", [self._keys.ready(QUEUE).encode(), envelope])

    def copies(self) -> list[Held]:
        found: list[Held] = []
        for key, value in self.redis.keys.items():
            place = "dead" if key == DEAD.encode() else "claimed" if b"claims" in key else "waiting"
            raws = value.values() if place == "claimed" else value if isinstance(value, list | dict) else ()
            found += [
                (place, match[1].decode())
                for raw in raws
                if isinstance(raw, bytes) and (match := _ID.search(raw))
            ]
        return found

    def claimed_by(self, owner: str) -> list[str]:
        held = self.redis.keys.get(self._keys.claims(owner, QUEUE).encode(), {})
        return [match[1].decode() for raw in held.values() if (match := _ID.search(raw))]

    def dead(self) -> dict[str, str]:
        envelopes = [json.loads(raw) for raw in self.redis.keys.get(DEAD.encode(), [])]
        return {each["headers"]["id"]: each["headers"][DEATH_HEADER]["reason"] for each in envelopes}

    def crash(self) -> None:
        self.network.crash()

    def revive(self) -> None:
        self.network.is_down = False
