"""From a broker URL to connections: kombu reads URL and options, redis-py connects, errors are fleet's.

Everything that goes wrong comes out as BrokerUnavailable. A connection that failed connects again on its
next use.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ssl import CERT_REQUIRED
from types import SimpleNamespace, TracebackType
from typing import Any

from kombu import Connection as Url
from kombu.transport import redis as stock

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.urls import mask_url
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

OLDEST = (6, 2)  # LMOVE, BLMOVE, and RPOP with a count

# kombu waits for ever by default: a half-open connection would hang a publish, or a whole worker.
_DEFAULTS = {
    "socket_timeout": 15.0,
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
}
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}  # names: macOS lacks some


class Server:
    """One Redis as `url` and kombu's transport options name it; opens connections to it."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url = url
        self._options = options
        self._pool = self._make_pool()
        self.translating = _Translating(url)

    def _make_pool(self) -> Any:
        try:
            return _pool(self._url, self._options)
        except (
            ValueError,
            KeyError,
        ) as error:  # "'master_name' transport option must be specified." and such
            raise BrokerUnavailable(f"{mask_url(self._url)}: {error}") from error

    def connect(self) -> Wire:
        with self.translating:
            wire = Wire(self, self._pool.get_connection())
        if (version := wire.version()) < OLDEST:
            wire.close()
            raise BrokerUnavailable(
                f"{mask_url(self._url)}: Redis {'.'.join(map(str, version))} is too old, fleet needs "
                f"{'.'.join(map(str, OLDEST))} or newer"
            )
        return wire

    def connect_apart(self) -> Wire:
        """One that shares nothing with the others, for another thread."""
        with self.translating:
            return Wire(self, self._make_pool().get_connection())


class _Translating:
    """`with` this, what goes wrong is BrokerUnavailable. No generator: it is entered for every command."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, (RedisError, OSError)):
            raise BrokerUnavailable(f"{mask_url(self._url)}: {error or type(error).__name__}") from error


class Wire:
    """One connection, for one thread. Commands and replies are redis-py's: bytes, ints, lists, None."""

    def __init__(self, server: Server, connection: Any) -> None:
        self._server = server
        self._connection = connection

    def call(self, *command: Any) -> Any:
        return self.calls([command])[0]

    def calls(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """In one round trip. Raises the first error, all replies read."""
        self.send(commands)
        replies = [self._reply() for _ in commands]
        for reply in replies:
            if isinstance(reply, ResponseError):
                with self._server.translating:
                    raise reply
        return replies

    def script(
        self, sha: str, source: str, arguments: Sequence[Any], meanwhile: Callable[[], object] | None = None
    ) -> Any:
        """Run a script that the server has most likely seen before; and `meanwhile` until it has answered."""
        self.send([("EVALSHA", sha, 0, *arguments)])
        if meanwhile is not None:
            meanwhile()
        reply = self._reply()
        if isinstance(reply, NoScriptError):
            return self.call("EVAL", source, 0, *arguments)
        if isinstance(reply, ResponseError):
            with self._server.translating:
                raise reply
        return reply

    def send(self, commands: Sequence[tuple[Any, ...]]) -> None:
        """Connects first if need be; the replies are for `receive`, one each."""
        with self._server.translating:
            self._connection.send_packed_command(self._connection.pack_commands(commands))

    def receive(self) -> Any:
        reply = self._reply()
        if isinstance(reply, ResponseError):
            with self._server.translating:
                raise reply
        return reply

    def _reply(self) -> Any:
        with self._server.translating:
            if self.is_gone:  # looking whether it is readable has found it broken
                raise LostConnection("the connection is gone")
            try:
                return self._connection.read_response()
            except ResponseError as error:
                return error

    @property
    def is_gone(self) -> bool:
        """Whether it has been found broken; the next use connects again."""
        return self._connection._sock is None

    def readable(self) -> bool:
        """Whether `receive` would not wait: it has a reply, or an error."""
        try:
            return bool(self._connection.can_read(0))
        except (RedisError, OSError):
            return True

    def fileno(self) -> int:
        return int(self._connection._sock.fileno())

    def version(self) -> tuple[int, ...]:
        """As the server says; a server that does not say counts as new enough."""
        for line in bytes(self.call("INFO", "server")).splitlines():
            name, _, value = line.partition(b":")
            if name == b"redis_version":
                return tuple(int(part) for part in value.split(b".")[:3] if part.isdigit())
        return OLDEST

    def close(self) -> None:
        with suppress(Exception):  # it may be broken in any way
            self._connection.disconnect()


# Never again by itself: a reservation that is sent twice claims twice. RESP2: nothing comes unasked.
_FORCED = {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False, "protocol": 2}


def _pool(url: str, options: Mapping[str, Any]) -> Any:
    """kombu's pool for this URL, from its channel class but without a channel: that would connect."""
    merged = {**_DEFAULTS, "socket_keepalive_options": _keepalive(), **options}
    plain = kombus(url)
    wanted = Url(plain, transport_options=merged, **_tls(plain, options))
    kind = stock.SentinelChannel if wanted.transport_cls == "sentinel" else stock.Channel

    class Parameters(kind):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            port = 26379 if kind is stock.SentinelChannel else stock.DEFAULT_PORT
            self.connection = SimpleNamespace(client=wanted, default_port=port)
            for name in set(kind.from_transport_options) & merged.keys():
                setattr(self, name, merged[name])
            # kombu's default of 10 is about its own channels.
            self.max_connections = 2**31

        def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
            return {**super()._connparams(asynchronous), **_FORCED}

    return Parameters()._get_pool()


def kombus(url: str) -> str:
    """The same URL under a scheme that kombu knows: its eyes take Valkey for Redis."""
    return ";".join(_KOMBUS_NAME.sub(lambda found: f"redis{found[1]}", part) for part in url.split(";"))


_KOMBUS_NAME = re.compile(r"^valkey(s?)(?=\+|://)")


def _tls(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """kombu takes `rediss://` without `ssl_…` parameters to mean TLS with whomever; here it is verified.

    `ssl` among the options is what Celery calls `broker_use_ssl`, and what Sentinel needs: True, or a dict.
    """
    wanted = options.get("ssl")
    if wanted is None and (not url.startswith("rediss://") or "ssl_" in url):
        return {}
    return {"ssl": {"ssl_cert_reqs": CERT_REQUIRED, **(wanted if isinstance(wanted, Mapping) else {})}}


def _keepalive() -> dict[int, int]:
    return {getattr(socket, name): seconds for name, seconds in _KEEPALIVE.items() if hasattr(socket, name)}
