"""A Redis in memory that speaks RESP to redis-py: scripts, blocking moves, and refusals when chance says so."""

from __future__ import annotations

from hashlib import sha1
from itertools import count
from typing import Any

from tests.simulated import redis_data
from tests.simulated.choices import Choices
from tests.simulated.clock import EPOCH, Clock
from tests.simulated.network import Socket
from tests.simulated.redis_data import Keys, RefusedError
from tests.simulated.redis_scripts import Lua

REFUSING = ("out of memory", "read-only", "loading", "script forgotten")
_SECONDS = (0.5, 5.0, 30.0)
_INFO = b"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"
_ERRORS = {
    "out of memory": "OOM command not allowed when used memory > 'maxmemory'.",
    "read-only": "READONLY You can't write against a read only replica.",
    "loading": "LOADING Redis is loading the dataset in memory",
}


class Redis:
    """See the module. `connect` is the network's `accept`."""

    def __init__(self, clock: Clock, choices: Choices, lua: Lua) -> None:
        self.clock = clock
        self.choices = choices
        self.keys: Keys = {}
        self._lua = lua
        self._scripts: dict[bytes, bytes] = {}
        self._clients = count(1)
        self._trouble: tuple[str, float] = ("", 0.0)
        self._blocked: list[RedisSession] = []

    def connect(self, socket: Socket) -> RedisSession:
        return RedisSession(self, socket, next(self._clients))

    def run(self, command: bytes, arguments: list[bytes]) -> Any:
        """One command from a client. Raises RefusedError."""
        self._have_trouble()
        match command:
            case b"EVAL":
                self._scripts[sha1(arguments[0], usedforsecurity=False).hexdigest().encode()] = arguments[0]
                return self._script(arguments[0], arguments[2:])
            case b"EVALSHA":
                if arguments[0] not in self._scripts:
                    raise RefusedError("NOSCRIPT No matching script. Please use EVAL.")
                return self._script(self._scripts[arguments[0]], arguments[2:])
            case b"INFO":
                return _INFO
            case b"CLIENT":
                return b"OK"
        self._refuse(command, wrote=False)
        return redis_data.run(self.keys, command, arguments)

    def _script(self, source: bytes, arguments: list[bytes]) -> Any:
        wrote = False

        def call(command: bytes, values: list[bytes]) -> Any:
            nonlocal wrote
            if command == b"TIME":
                now = EPOCH + self.clock.now
                return [str(int(now)).encode(), str(int(now % 1 * 1e6)).encode()]
            self._refuse(command, wrote=wrote)
            wrote = wrote or command in redis_data.WRITES
            return redis_data.run(self.keys, command, values)

        return self._lua.run(source, arguments, call)

    def _have_trouble(self) -> None:
        kind = self.choices.fault("redis", REFUSING)
        if kind == "script forgotten":
            self._scripts.clear()
        elif kind is not None:
            self._trouble = kind, self.clock.now + _SECONDS[self.choices.how_much(len(_SECONDS))]

    def _refuse(self, command: bytes, *, wrote: bool) -> None:
        kind, until = self._trouble
        if self.clock.now >= until or wrote:
            return
        full = kind == "out of memory" and command in redis_data.NEEDS_MEMORY
        if full or kind == "loading" or (kind == "read-only" and command in redis_data.WRITES):
            raise RefusedError(_ERRORS[kind])

    # Blocking moves

    def block(self, session: RedisSession) -> None:
        self._blocked.append(session)
        self.clock.at(session.blocked_until, lambda: self._give_up(session, session.blocked_until))

    def _give_up(self, session: RedisSession, until: float) -> None:
        if session in self._blocked and session.blocked_until == until:
            self.unblock(session, None)

    def unblock(self, session: RedisSession, value: bytes | None) -> None:
        self._blocked.remove(session)
        session.unblock(value)

    def forget(self, session: RedisSession) -> None:
        if session in self._blocked:
            self._blocked.remove(session)

    def unblock_client(self, client: int) -> int:
        for session in self._blocked:
            if session.client == client:
                self.unblock(session, None)
                return 1
        return 0

    def serve_blocked(self) -> None:
        for session in list(self._blocked):
            source = session.blocked_on[0]
            if self.clock.now >= session.blocked_until:
                self.unblock(session, None)
            elif self.keys.get(source):
                self.unblock(session, redis_data.run(self.keys, b"LMOVE", session.blocked_on))


class RedisSession:
    """See network.Session."""

    def __init__(self, redis: Redis, socket: Socket, client: int) -> None:
        self._redis = redis
        self._socket = socket
        self._buffer = b""
        self._is_over = False
        self.client = client
        self.blocked_on: list[bytes] = []
        self.blocked_until = 0.0

    def receive(self, data: bytes) -> None:
        self._buffer += data
        while not self.blocked_on and not self._is_over and (found := _command(self._buffer)):
            words, self._buffer = found
            self._on_command(words[0].upper(), words[1:])

    def _on_command(self, command: bytes, arguments: list[bytes]) -> None:
        redis = self._redis
        try:
            match command, [each.upper() for each in arguments[:1]]:
                case b"CLIENT", [b"ID"]:
                    reply: Any = self.client
                case b"CLIENT", [b"UNBLOCK"]:
                    reply = redis.unblock_client(int(arguments[1]))
                case b"BLMOVE", _:
                    self._block(arguments)
                    return
                case _:
                    reply = redis.run(command, arguments)
        except RefusedError as error:
            self._socket.reply(b"-" + str(error).encode() + b"\r\n")
        else:
            self._socket.reply(_resp(reply))
        redis.serve_blocked()

    def _block(self, arguments: list[bytes]) -> None:
        *move, seconds = arguments
        self._redis._refuse(b"BLMOVE", wrote=False)
        self.blocked_on, self.blocked_until = move, self._redis.clock.now + float(seconds)
        self._redis.block(self)
        self._redis.serve_blocked()

    def unblock(self, value: bytes | None) -> None:
        self.blocked_on = []
        self._socket.reply(_resp(value))
        self.receive(b"")

    def ended(self, *, broken: bool) -> None:
        self._is_over = True
        self._redis.forget(self)


def _command(data: bytes) -> tuple[list[bytes], bytes] | None:
    """The first command of `data`, and the rest; None while it is not whole."""
    line, found, _ = data.partition(b"\r\n")
    if not found:
        return None
    at = len(line) + 2
    words = []
    for _ in range(int(line[1:])):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at + 1 : end])
        if len(data) < end + 4 + size:
            return None
        words.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size
    return words, data[at:]


def _resp(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(_resp, value))
    if value in (b"OK", b"PONG"):
        return b"+" + value + b"\r\n"
    return b"$%d\r\n" % len(value) + bytes(value) + b"\r\n"
